// Shared links of the project: made, copied, revoked.
import { useState } from 'preact/hooks';
import { api, type Share } from '../api.ts';
import { when } from '../format.ts';
import { useLoad } from '../load.ts';
import { filters } from '../location.ts';
import { PAGES } from '../pages.ts';
import type { ProjectOf } from '../session.ts';
import { filtersText } from './filter.tsx';
import { Dialog, Field, Fields, Form, useSending } from './form.tsx';
import { CopyButton, Failure } from './parts.tsx';

const SHOWN = ['overview', 'funnel', 'retention', 'paths', 'vitals']; // docs/access.md, "Shared links"
const shownPages = PAGES.filter((p) => SHOWN.includes(p.id));
const addressOf = (s: Share): string => `${location.origin}/app/share/${s.link}`;
const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const frameOf = (s: Share, project: ProjectOf): string => `<iframe src="${addressOf(s)}?embed=1" title="${escaped(project.name)}" loading="lazy" style="border:0;width:100%;height:1500px"></iframe>`;

function Item({ of, project, onRevoked }: { of: Share; project: ProjectOf; onRevoked: () => void }) {
  const [isAsked, setAsked] = useState(false), [error, setError] = useState('');
  const revoke = async (): Promise<void> => {
    if (!isAsked) return setAsked(true);
    await api<'revokeShare'>('DELETE', `/v1/projects/${project.id}/shares/${of.id}`).then(onRevoked, (e: Error) => setError(e.message));
  };
  const facts = [
    of.pages.map((id) => PAGES.find((p) => p.id === id)?.text ?? id).join(', '), of.filters?.length ? `only ${filtersText(of.filters)}` : '', of.has_password ? 'with a password' : '',
    of.expires_at ? `until ${when(of.expires_at, project.time_zone)}` : '', of.embed_origins.length ? `in frames of ${of.embed_origins.join(', ')}` : '',
  ].filter(Boolean);
  return (
    <li>
      <div><a href={addressOf(of)} target="_blank" rel="noopener"><b>{of.name}</b></a><div class="muted">{facts.join(' · ')}</div></div>
      <div class="share-acts">
        <CopyButton text={addressOf(of)} label="Copy link" />
        {of.embed_origins.length > 0 && <CopyButton text={frameOf(of, project)} label="Copy frame" />}
        <button type="button" class={`button ${isAsked ? 'danger' : ''}`} aria-label={`Revoke ${of.name}`} onClick={revoke} onBlur={() => setAsked(false)}>{isAsked ? 'Revoke for good' : 'Revoke'}</button>
      </div>
      {error && <p class="error" role="alert">{error}</p>}
    </li>
  );
}
const FIELDS = ['name', 'pages', 'filters', 'password', 'expires_at', 'embed_origins'];
const EMPTY = { name: '', pages: ['overview'], isBound: true, password: '', last: '', sites: '' };
function Maker({ project, onMade }: { project: ProjectOf; onMade: () => void }) {
  const [is, set] = useState(EMPTY), sending = useSending(FIELDS), more = (change: Partial<typeof EMPTY>): void => set({ ...is, ...change });
  const make = async (): Promise<void> => {
    await api<'createShare'>('POST', `/v1/projects/${project.id}/shares`, {
      name: is.name.trim(), pages: is.pages, embed_origins: is.sites.split(/[\s,]+/).filter(Boolean), ...(is.isBound && filters.value.length ? { filters: filters.value } : {}),
      ...(is.password ? { password: is.password } : {}), ...(is.last ? { expires_at: new Date(`${is.last}T23:59:59`).toISOString() } : {}),
    });
    set({ ...EMPTY, pages: is.pages });
    onMade();
  };
  const text = (field: 'name' | 'password' | 'last' | 'sites', member: string, label: string, attributes: Record<string, string>, hint?: string) => (
    <Field name={member} label={label} hint={hint} error={sending.of(member)}>{(control) => <input {...control} {...attributes} value={is[field]} onInput={(e) => more({ [field]: e.currentTarget.value })} />}</Field>
  );
  return (
    <section class="share-form" aria-label="Make a link">
      <h3>Make a link</h3>
      <Form sending={sending} action="Make the link" done="Made" isReady={!!is.name.trim() && is.pages.length > 0} onSubmit={() => void sending.run(make)}>
        {text('name', 'name', 'Name', { type: 'text', maxLength: '100', placeholder: 'For the board' }, 'Not shown to who has the link')}
        <Fields label="Shows" error={sending.of('pages')}>
          {shownPages.map((p) => <label key={p.id}><input type="checkbox" checked={is.pages.includes(p.id)} onChange={(e) => more({ pages: e.currentTarget.checked ? [...is.pages, p.id] : is.pages.filter((x) => x !== p.id) })} />{p.text}</label>)}
        </Fields>
        {filters.value.length > 0 && <Fields label="Bound to the filters" error={sending.of('filters')}><label><input type="checkbox" checked={is.isBound} onChange={(e) => more({ isBound: e.currentTarget.checked })} />Only {filtersText(filters.value)}</label></Fields>}
        <div class="share-more">
          {text('password', 'password', 'Password, if any', { type: 'password', autocomplete: 'new-password' })}
          {text('last', 'expires_at', 'Last day, if any', { type: 'date' })}
        </div>
        {text('sites', 'embed_origins', 'Sites that may show it in a frame', { type: 'text', placeholder: 'https://example.com' })}
      </Form>
    </section>
  );
}
export function ShareDialog({ project, onClose }: { project: ProjectOf; onClose: () => void }) {
  const { value, error, isLoading, retry } = useLoad(`shares ${project.id}`, (signal) => api<'listShares'>('GET', `/v1/projects/${project.id}/shares`, undefined, signal));
  return (
    <Dialog title={`Share ${project.name}`} onClose={onClose}>
      <p class="muted">Who has a link sees what it shows without an account, and nothing of who somebody is or what was sent with an event.</p>
      {error && !value ? <Failure text={error} retry={retry} /> : <ul class="links" aria-busy={isLoading} aria-label="Links">{value?.data.toReversed().map((s) => <Item key={s.id} of={s} project={project} onRevoked={retry} />)}</ul>}
      <Maker project={project} onMade={retry} />
    </Dialog>
  );
}
