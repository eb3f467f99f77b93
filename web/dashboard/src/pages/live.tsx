// Who is here now. Events come as they become durable; numbers are asked for anew when one came, and every few seconds.
import { useEffect, useRef, useState } from 'preact/hooks';
import { api, type Live, type LiveEvent } from '../api.ts';
import { name, NOTHING, number, time, whole } from '../format.ts';
import { filterText } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { useStream } from '../stream.ts';
import { userPage } from '../ui/events.tsx';
import { BarTable, Count, Figures, type BarRow } from '../ui/numbers.tsx';
import { Failure, Link } from '../ui/parts.tsx';

const EVERY_MS = 10000; // numbers go down without an event, too
const SOON_MS = 350, TRIES = 8; // an event is in the numbers about that long after it came
const ANNOUNCE_MS = 15000, LATEST = 10;

interface Now { value: Live | undefined; error: string; look: () => void; expect: (event: LiveEvent) => void }
function useNow(project: ProjectOf): Now {
  const [state, set] = useState<{ value: Live | undefined; error: string }>({ value: undefined, error: '' });
  const actions = useRef<Pick<Now, 'look' | 'expect'>>({ look: () => {}, expect: () => {} });
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0, isAsking = false, expected = '', tries = 0;
    const look = async (): Promise<void> => {
      clearTimeout(timer);
      timer = 0;
      isAsking = true;
      try {
        const value = await api<'getLive'>('GET', `/v1/projects/${project.id}/live`, undefined, stop.signal);
        set({ value, error: '' });
        if (value.events.some((e) => e.id === expected) || --tries <= 0) expected = '';
      } catch (e) {
        if (!stop.signal.aborted) set((s) => ({ ...s, error: e instanceof Error ? e.message : String(e) }));
      }
      isAsking = false;
      if (!stop.signal.aborted) wait();
    };
    const wait = (): void => {
      clearTimeout(timer);
      timer = window.setTimeout(() => { if (document.hidden) wait(); else void look(); }, expected ? SOON_MS : EVERY_MS);
    };
    actions.current = {
      look: () => { if (!isAsking) void look(); },
      expect: ({ id }) => {
        const isWaiting = !!expected;
        expected = id;
        tries = TRIES;
        if (!isWaiting && !isAsking) wait();
      },
    };
    const seen = (): void => { if (!document.hidden) actions.current.look(); };
    document.addEventListener('visibilitychange', seen);
    void look();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [project.id]);
  return { ...state, look: () => actions.current.look(), expect: (e) => actions.current.expect(e) };
}
/** Told now and then, and only what changed: whoever listens is not to be talked over. */
function useAnnounced(text: string): string {
  const [said, say] = useState(''), latest = useRef(text);
  latest.current = text;
  useEffect(() => {
    if (!said && text) say(text);
  }, [text]);
  useEffect(() => {
    const timer = setInterval(() => say(latest.current), ANNOUNCE_MS);
    return () => clearInterval(timer);
  }, []);
  return said;
}

const BARS = { width: 300, height: 80, gap: 2 };
function Minutes({ all }: { all: Live['minutes'] }) {
  const most = Math.max(1, ...all.map((m) => m.visitors)), step = BARS.width / 30;
  return (
    <figure class="minutes">
      <svg viewBox={`0 0 ${BARS.width} ${BARS.height}`} preserveAspectRatio="none" role="img" aria-label={`Visitors in each of the last 30 minutes; at most ${whole(Math.max(0, ...all.map((m) => m.visitors)))}`}>
        {all.map((m) => {
          const height = (m.visitors / most) * BARS.height;
          return <rect key={m.minutes_ago} x={(29 - m.minutes_ago) * step + BARS.gap / 2} y={BARS.height - Math.max(1, height)} width={step - BARS.gap} height={Math.max(1, height)}><title>{`${m.minutes_ago ? `${m.minutes_ago} min ago` : 'This minute'}: ${whole(m.visitors)} visitors, ${whole(m.pageviews)} page views`}</title></rect>;
        })}
      </svg>
      <figcaption class="muted"><span>30 minutes ago</span><span>now</span></figcaption>
    </figure>
  );
}
function List({ title, head, rows }: { title: string; head: readonly string[]; rows: BarRow[] | undefined }) {
  return <section class="panel card" aria-label={title}><header><h2>{title}</h2></header><BarTable head={head} rows={rows} isLoading={false} empty="Nobody in the last 30 minutes." /></section>;
}
/** Those that came, before those that were there when we came; each once, the latest first. */
function latest(came: readonly LiveEvent[], there: readonly LiveEvent[]): LiveEvent[] {
  const all = new Map([...there, ...came].map((e) => [e.id, e]));
  return [...all.values()].sort((a, b) => (a.timestamp < b.timestamp ? 1 : -1)).slice(0, LATEST);
}
export function LivePage({ project }: { project: ProjectOf }) {
  const { value, error, look, expect } = useNow(project), [came, setCame] = useState<readonly LiveEvent[]>([]);
  const isOpen = useStream(project, (event) => {
    if (event.kind) return; // says something of somebody, and is no event in a number
    setCame((all) => [event, ...all].slice(0, LATEST));
    expect(event);
  });
  const said = useAnnounced(value ? `${whole(value.visitors)} visitors now, ${whole(value.visitors_30m)} in the last 30 minutes` : '');
  const to = (field: string, of: string): string => `/app/${project.id}/overview?${new URLSearchParams({ range: 'day', f: filterText(['is', field, [of]]) })}`;
  const shown = latest(came, value?.events ?? []);
  return (
    <>
      <h1 class="hidden">Live view of {project.name}</h1>
      <p class="hidden" role="status">{said}</p>
      <section class="card headline" aria-label="Now">
        <Figures all={[['Visitors now', value ? whole(value.visitors) : '\u00a0'], ['Visitors in 30 min', value ? number(value.visitors_30m) : '\u00a0'], ['Page views', value ? number(value.pageviews_30m) : '\u00a0'], ['Events', value ? number(value.events_30m) : '\u00a0']]} />
        <Minutes all={value?.minutes ?? []} />
        <p class="stream muted"><span class={isOpen ? 'pulse' : 'pulse off'} aria-hidden="true" />{isOpen ? 'Events are shown as they come.' : 'Connecting …'}</p>
        {error && <Failure text={error} retry={look} />}
      </section>
      <div class="panels">
        <section class="panel card" aria-label="Latest events">
          <header><h2>Latest events</h2></header>
          <ol class="latest">
            {shown.map((e) => (
              <li key={e.id}>
                <time class="muted" dateTime={e.timestamp}>{time(e.timestamp, project.time_zone)}</time>
                <span class="cut" title={e.event}>{e.event}</span>
                <span class="cut muted" title={e.page}>{e.page}</span>
                <span class="cut right wide">{e.user_id ? <Link to={userPage(project, e.user_id)} title={e.user_id}>{e.user_id}</Link> : <span class="muted">{e.country ? name('country', e.country) : NOTHING}</span>}</span>
              </li>
            ))}
          </ol>
          {value && !shown.length && <p class="muted nothing">Nothing in the last 30 minutes.</p>}
        </section>
        <List title="Pages" head={['Page', 'Visitors', 'Views']} rows={value?.pages.map((p) => ({ key: p.page, text: p.page || name('page', ''), of: p.visitors, cells: [<Count of={p.visitors} />, <Count of={p.pageviews} />], to: to('page', p.page) }))} />
        <List title="Sources" head={['Source', 'Visitors']} rows={value?.sources.map((x) => ({ key: `${x.source} ${x.channel}`, text: x.source ? `${x.source} · ${x.channel}` : x.channel, of: x.visitors, cells: [<Count of={x.visitors} />], to: x.source ? to('source', x.source) : to('channel', x.channel) }))} />
        <List title="Places" head={['Country', 'Visitors']} rows={value?.countries.map((x) => ({ key: x.country, text: name('country', x.country), of: x.visitors, cells: [<Count of={x.visitors} />], to: to('country', x.country) }))} />
      </div>
    </>
  );
}
