// The dashboard by a shared link: the link is exchanged for a visit, which every question carries. Nobody is signed in.
import type { ComponentChildren } from 'preact';
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { api, ApiError, setVisit, whenSignedOut, type Project } from '../api.ts';
import { isEmbed, param, shared, sharedLink } from '../location.ts';
import { projects, type ProjectOf } from '../session.ts';
import { theme, ThemeButton } from './theme.tsx';
import { Failure } from './parts.tsx';

/** Settings of the project that a link does not tell, and that no page of it shows. */
const UNTOLD: Omit<Project, 'id' | 'name' | 'time_zone'> = { domains: [], client_ids: [], allowed_origins: [], retention_days: 0, privacy_mode: 'standard', bot_policy: 'mark', events_per_month_max: 0, created_at: '', archived_at: null };
type Step = { is: 'opening' | 'open' } | { is: 'password'; why: string } | { is: 'failed'; why: string; mayRetry: boolean };
const step = signal<Step>({ is: 'opening' });
let password: string | undefined; // of this page's life; kept nowhere

async function open(): Promise<void> {
  step.value = { is: 'opening' };
  try {
    const got = await api<'openShare'>('POST', '/v1/shares/open', { link: sharedLink.value, ...(password === undefined ? {} : { password }) });
    setVisit(got.visit);
    projects.value = [{ ...UNTOLD, ...got.project, org: '', permissions: ['stats:read'] }];
    shared.value = { project: got.project.id, pages: got.pages };
    step.value = { is: 'open' };
  } catch (e) {
    const failed = e instanceof ApiError ? e : new ApiError(0, '', String(e));
    if (failed.slug === 'share-password') step.value = { is: 'password', why: password === undefined ? '' : 'The password is wrong.' };
    else step.value = { is: 'failed', why: failed.status === 404 ? 'This link shows nothing any more: it was revoked, or has expired. Ask whoever gave it to you.' : failed.message, mayRetry: failed.status !== 404 };
  }
}
function Password({ why }: { why: string }) {
  const [text, setText] = useState('');
  const submit = (e: Event): void => { e.preventDefault(); password = text; void open(); };
  return (
    <main class="login">
      <form class="card" onSubmit={submit}>
        <h1>This link has a password</h1>
        <label>Password<input type="password" name="password" autocomplete="off" required autofocus value={text} onInput={(e) => setText(e.currentTarget.value)} /></label>
        {why && <p class="error" role="alert">{why}</p>}
        <button class="button primary">Show</button>
      </form>
    </main>
  );
}
export function SharedShell({ children }: { children: (of: ProjectOf) => ComponentChildren }) {
  const now = step.value, of = projects.value[0];
  useEffect(() => {
    const asked = param('theme');
    if (isEmbed.value && (asked === 'light' || asked === 'dark')) theme.value = asked;
    whenSignedOut(() => void open()); // the visit is over, or the link was revoked
    void open();
  }, []);
  useEffect(() => { document.title = of ? `${of.name} · weir` : 'weir'; }, [of?.name]);
  if (now.is === 'password') return <Password why={now.why} />;
  if (now.is === 'failed') return <main class="login"><h1 class="hidden">Shared link</h1>{now.mayRetry ? <Failure text={now.why} retry={() => void open()} /> : <p class="card" role="alert">{now.why}</p>}</main>;
  if (!of) return <main class="login" aria-busy="true" />;
  return (
    <>
      {!isEmbed.value && <header class="top"><span class="brand">weir</span><span>{of.name}</span><div class="top-end"><ThemeButton /></div></header>}
      {children(of)}
    </>
  );
}
