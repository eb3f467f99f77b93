// What a project shows before its first event: how to send one, and it arriving.
import { useEffect, useState } from 'preact/hooks';
import { api, type LiveEvent } from '../api.ts';
import { useLoad } from '../load.ts';
import { Copy, Failure, Tabs } from '../ui/parts.tsx';
import { go } from '../location.ts';
import { begin, load, lookForEvents, projects, type ProjectOf } from '../session.ts';
import { useStream } from '../stream.ts';

const WAYS = [['page', 'Web page'], ['curl', 'curl'], ['plausible', 'Plausible'], ['umami', 'Umami'], ['posthog', 'PostHog'], ['segment', 'Segment']] as const;
type Way = (typeof WAYS)[number][0];
function snippet(way: Way, key: string): string {
  const host = location.origin;
  switch (way) {
    case 'page': return `<script defer src="${host}/js/weir.js" data-key="${key}"></script>`;
    case 'curl': return `curl -sS ${host}/v1/events -H 'Authorization: Bearer ${key}' \\\n  -d '{"event":"signup","user_id":"u1"}'`;
    case 'plausible': return `<script defer data-domain="${key}" src="${host}/js/script.js"></script>`;
    case 'umami': return `<script defer data-website-id="${key}" src="${host}/script.js"></script>`;
    case 'posthog': return `posthog.init('${key}', { api_host: '${host}' })`;
    case 'segment': return `const analytics = new Analytics({ writeKey: '${key}', host: '${host}' });`;
  }
}
const EVERY_MS = 1000, SOON_MS = 200; // an event is in the numbers about that long after it came
const LATE_MS = 5000; // by then it would be
/** For who wants to look around first: a project beside this one, of data that its name says is made up. */
function Demo({ project }: { project: ProjectOf }) {
  const [told, tell] = useState(''), [error, setError] = useState('');
  const make = async (): Promise<void> => {
    setError('');
    try {
      const { makeDemo } = await import('../demo.ts'), id = await makeDemo(project.org, projects.value.filter((p) => p.org === project.org), tell);
      await load();
      go(`/app/${id}/overview`);
    } catch (e) {
      setError(e instanceof Error ? e.message : String(e));
    }
    tell('');
  };
  return (
    <section class="start card demo" aria-label="Demo">
      <p>Nothing to send yet? Look around in a project of made-up data: two months of a small product. It can be archived in its settings.</p>
      <button type="button" class="button" disabled={told !== ''} onClick={() => void make()}>Open a demo project</button>
      <p class="muted" role="status">{told}</p>
      {error && <Failure text={error} retry={() => void make()} />}
    </section>
  );
}
const told = (e: LiveEvent): string => `“${e.event}”${e.page ? ` of ${e.page}` : ''}`;
export function StartPage({ project }: { project: ProjectOf }) {
  const [way, setWay] = useState<Way>('page');
  const keys = useLoad(project.id, (signal) => api<'listKeys'>('GET', `/v1/orgs/${project.org}/projects/${project.id}/keys`, undefined, signal));
  const key = keys.value?.data.find((k) => k.kind === 'write' && k.text && !k.revoked_at)?.text;
  const [came, setCame] = useState<LiveEvent | null>(null), [isLate, setLate] = useState(false);
  useStream(project, setCame);
  useEffect(() => {
    const since = Date.now();
    let timer = 0, isGone = false;
    const look = async (): Promise<void> => {
      if (await lookForEvents(project.id).catch(() => false)) return;
      if (came && Date.now() - since > LATE_MS) setLate(true);
      if (!isGone) timer = window.setTimeout(look, came && Date.now() - since < LATE_MS ? SOON_MS : EVERY_MS);
    };
    timer = window.setTimeout(look, came ? SOON_MS : EVERY_MS);
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  }, [project.id, came?.id]);
  return (
    <div class="start-page">
      <section class="start card">
        <h1>Send the first event</h1>
        <p>Put this into every page, or keep the script that is there and change its address. No cookie is set and no address of a visitor is kept.</p>
        <Tabs label="How" all={WAYS} value={way} onChoose={setWay} />
        {keys.error ? <p class="muted">The write key is shown to those who may read a project's keys. Ask an owner or admin of this organisation for it.</p> : keys.value ? <Copy text={snippet(way, key ?? 'wk_…')} /> : <div class="code" aria-busy="true"><pre><code>{snippet(way, 'wk_…')}</code></pre></div>}
        {keys.error && !keys.error.includes('keys:read') && <Failure text={keys.error} retry={keys.retry} />}
        <p class="waiting" role="status"><span class="pulse" aria-hidden="true" />{!came ? 'Waiting for the first event …' : isLate ? `Here is ${told(came)}, but nobody is counted for it: reports leave out bots (automated browsers and scripts say that they are), and what is no plain event.` : `Here is ${told(came)}. Counting …`}</p>
        {isLate && <p><button type="button" class="button" onClick={() => begin(project.id)}>To the overview</button></p>}
      </section>
      {['projects:write', 'events:import'].every((p) => project.permissions.includes(p)) && <Demo project={project} />}
    </div>
  );
}
