// Who was seen, and one of them whole: what is known, and what they did, visit by visit.
import type { ComponentChildren } from 'preact';
import { api, type Person, type Timeline, type Visit } from '../api.ts';
import { moment, name, number, span, when } from '../format.ts';
import { useLoad, usePages } from '../load.ts';
import { go, param, withParams } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { EventList, valueText } from '../ui/events.tsx';
import { Failure, Link, TextField } from '../ui/parts.tsx';
import { Choice, chosen } from '../ui/steps.tsx';

const WHO = [['', 'Everybody'], ['true', 'Known users'], ['false', 'Anonymous']] as const;
const SORTS = [['last_seen', 'Last seen'], ['first_seen', 'First seen']] as const;
const ORDERS = [['desc', 'Latest first'], ['asc', 'Earliest first']] as const;
const PAGE = 25, TIMELINE = 50;
const NAMES = ['name', 'full_name', '$name', 'email', '$email'];

const queryOf = (all: Record<string, string | null>): string => String(new URLSearchParams(Object.entries(all).filter((q): q is [string, string] => !!q[1])));
/** What people would call somebody: a name or an address, if one is known, else an id. */
function personName(p: Person): string {
  const said = NAMES.map((n) => p.traits[n]).find((v) => typeof v === 'string' && v);
  return (said as string | undefined) ?? p.user_id ?? p.anonymous_ids[0] ?? p.person_id;
}
const groupPage = (project: ProjectOf, type: string, id: string): string => `/app/${project.id}/users?group=${encodeURIComponent(`${type}:${id}`)}`;

// ---- the list ----
function Row({ project, of: p }: { project: ProjectOf; of: Person }) {
  const shown = personName(p), id = p.user_id ?? p.anonymous_ids[0] ?? '';
  const traits = Object.entries(p.traits).filter(([, v]) => v !== shown && v !== id).map(([k, v]) => `${k}: ${valueText(v)}`).join(' · ');
  return (
    <tr>
      <th scope="row"><Link to={withParams({ user: p.person_id })} class="cut block" title={shown}>{shown}</Link>{id !== shown && <span class="muted cut block" title={id}>{id}</span>}</th>
      <td class="wide"><span class="cut block" title={traits}>{traits}</span><span class="cut block muted">{Object.entries(p.groups).map(([type, g]) => `${type}: ${g}`).join(' · ')}</span></td>
      <td class="wide muted">{when(p.first_seen, project.time_zone)}</td>
      <td class="muted">{when(p.last_seen, project.time_zone)}</td>
    </tr>
  );
}
function All({ project }: { project: ProjectOf }) {
  const who = chosen('who', WHO), sort = chosen('sort', SORTS), order = chosen('order', ORDERS);
  const asked = `/v1/projects/${project.id}/persons?${queryOf({ search: param('q'), identified: who, trait: param('trait'), group: param('group'), sort, order, cursor: param('after'), limit: String(PAGE) })}` as const;
  const { value, error, isLoading, retry } = useLoad(asked, (signal) => api<'listPersons'>('GET', asked, undefined, signal));
  const set = (changes: Record<string, string | null>): void => go(withParams({ ...changes, after: null }));
  const text = (field: string, label: string, placeholder: string) => <label class="choice">{label}<TextField value={param(field) ?? ''} placeholder={placeholder} onDone={(t) => set({ [field]: t || null })} /></label>;
  return (
    <>
      <section class="card" aria-label="Which users">
        <h2>Users</h2>
        <div class="choices">
          <TextField type="search" aria-label="Search in ids and traits" placeholder="Search" value={param('q') ?? ''} onDone={(t) => set({ q: t || null })} />
          <Choice label="Show" all={WHO} value={who} onChoose={(v) => set({ who: v || null })} />
          {text('trait', 'Trait', 'plan:pro')}{text('group', 'Group', 'company:acme')}
          <Choice label="Sorted by" all={SORTS} value={sort} onChoose={(v) => set({ sort: v === 'last_seen' ? null : v })} />
          <Choice label="Order" all={ORDERS} value={order} onChoose={(v) => set({ order: v === 'desc' ? null : v })} />
        </div>
      </section>
      <section class="card tall" aria-label="Users" aria-busy={isLoading}>
        {error && <Failure text={error} retry={retry} />}
        {value && !error && (value.persons.length === 0 ? <p class="muted">Nobody like that was seen{param('after') ? ' beyond this page' : ''}.</p> : (
          <table class="list">
            <thead><tr><th scope="col">User</th><th scope="col" class="wide">Traits and groups</th><th scope="col" class="wide">First seen</th><th scope="col">Last seen</th></tr></thead>
            <tbody>{value.persons.map((p) => <Row key={p.person_id} project={project} of={p} />)}</tbody>
          </table>
        ))}
        <div class="choices">
          {param('after') && <Link to={withParams({ after: null })}>First page</Link>}
          {value?.next_cursor && !error && <Link to={withParams({ after: value.next_cursor })}>Next page</Link>}
        </div>
      </section>
    </>
  );
}

// ---- one of them ----
function VisitHead({ project, visit: v }: { project: ProjectOf; visit: Visit | undefined }) {
  if (!v) return <h3 class="visit muted">In no visit</h3>;
  const where = [v.source ?? v.channel ?? '', v.country && name('country', v.country), [v.browser, v.os].filter(Boolean).join(' on '), v.device].filter(Boolean).join(' · ');
  const what = `${number(v.pageviews)} page view${v.pageviews === 1 ? '' : 's'}, ${number(v.events)} event${v.events === 1 ? '' : 's'}, ${number(v.duration_ms / 1000, 'seconds')}`;
  return <h3 class="visit">{span(v.start, v.end, project.time_zone)}<span class="muted">{where}</span><span class="muted">{what}</span></h3>;
}
type TimelineEvent = Timeline['events'][number];
/** Events that follow one another in the same visit, or in none. */
function parts(events: readonly TimelineEvent[]): { session: string | null; events: TimelineEvent[] }[] {
  const all: { session: string | null; events: TimelineEvent[] }[] = [];
  for (const e of events) {
    const last = all.at(-1);
    if (last && last.session === e.session) last.events.push(e);
    else all.push({ session: e.session, events: [e] });
  }
  return all;
}
function Done({ project, id }: { project: ProjectOf; id: string }) {
  const { value, error, isLoading, retry, more } = usePages<{ event: TimelineEvent; visits: Visit[] }>(`${project.id} ${id}`, async (cursor, signal) => {
    const got = await api<'getPersonTimeline'>('GET', `/v1/projects/${project.id}/persons/${encodeURIComponent(id)}/timeline?${queryOf({ limit: String(TIMELINE), cursor })}`, undefined, signal);
    return { rows: got.events.map((event) => ({ event, visits: got.sessions })), next: got.next_cursor };
  });
  const visits = new Map(value?.flatMap((r) => r.visits).map((v) => [v.session, v]));
  return (
    <section class="card tall" aria-label="Timeline" aria-busy={isLoading}>
      <header class="head"><h2>Timeline</h2></header>
      {value && parts(value.map((r) => r.event)).map((p, i) => (
        <section key={p.events[0]?.id} class="visit-part">
          <VisitHead project={project} visit={p.session ? visits.get(p.session) : undefined} />
          <EventList events={p.events} project={project} label={`Events of part ${i + 1}`} of="person" />
        </section>
      ))}
      {value?.length === 0 && <p class="muted">Nothing is kept of what this person did.</p>}
      {error && <Failure text={error} retry={retry} />}
      {more && <button type="button" class="button" onClick={more}>Show earlier</button>}
    </section>
  );
}
function Facts({ label, all }: { label: string; all: (readonly [string, ComponentChildren])[] }) {
  return (
    <section class="card" aria-label={label}>
      <h2>{label}</h2>
      {all.length ? <dl class="pairs">{all.map(([key, value]) => <div key={key}><dt>{key}</dt><dd>{value}</dd></div>)}</dl> : <p class="muted">None.</p>}
    </section>
  );
}
const NUMBERS = [['events', 'Events'], ['pageviews', 'Page views'], ['sessions', 'Visits']] as const;
function One({ project, id }: { project: ProjectOf; id: string }) {
  const { value: p, error, isLoading, retry } = useLoad(`${project.id} ${id}`, (signal) => api<'getPerson'>('GET', `/v1/projects/${project.id}/persons/${encodeURIComponent(id)}`, undefined, signal));
  const back = <Link to={withParams({ user: null })}>All users</Link>;
  if (error && !p) return <><div class="crumbs">{back}<h1 class="cut">{id}</h1></div><section class="card"><Failure text={error} retry={retry} /></section></>;
  const at = (moment_: string | null | undefined): string => (moment_ ? moment(moment_, project.time_zone) : '–');
  const others = p ? p.id_count - p.user_ids.length - p.anonymous_ids.length : 0;
  return (
    <div class="person" aria-busy={isLoading}>
      <div class="crumbs">{back}<h1 class="cut" title={p ? personName(p) : ''}>{p ? personName(p) : ' '}</h1></div>
      <div class="split">
        <div class="stack">
          <Facts label="Numbers" all={[...NUMBERS.map(([key, text]) => [text, p ? number(p[key]) : '–'] as const), ['First seen', at(p?.first_seen)], ['Last seen', at(p?.last_seen)]]} />
          <Facts label="Traits" all={Object.entries(p?.traits ?? {}).map(([key, value]) => [key, valueText(value)] as const)} />
          <Facts label="Groups" all={Object.entries(p?.groups ?? {}).map(([type, group]) => [type, <Link key={type} to={groupPage(project, type, group)}>{group}</Link>] as const)} />
          <section class="card" aria-label="Ids">
            <h2>Ids</h2>
            <ul class="ids">{[...(p?.user_ids ?? []), ...(p?.anonymous_ids ?? [])].map((x) => <li key={x} class="cut" title={x}>{x}{p?.user_ids.includes(x) && <span class="muted"> user</span>}</li>)}</ul>
            {others > 0 && <p class="muted">and {number(others)} more</p>}
          </section>
        </div>
        <Done project={project} id={id} />
      </div>
    </div>
  );
}
export function UsersPage({ project }: { project: ProjectOf }) {
  const id = param('user');
  if (id) return <One key={id} project={project} id={id} />;
  return <><h1 class="hidden">Users of {project.name}</h1><All project={project} /></>;
}
