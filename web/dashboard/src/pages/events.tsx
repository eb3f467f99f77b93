// Which events there are and how they go; one of them by time, by any dimension or property, and as it was sent.
import { ask, report, type Filter, type Question, type RawEvent } from '../api.ts';
import { number } from '../format.ts';
import { useLoad, usePages } from '../load.ts';
import { filters, go, param, withParams } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Breakdown, useProperties, type Asked } from '../ui/breakdown.tsx';
import { EventList } from '../ui/events.tsx';
import { nestedFields } from '../ui/fields.ts';
import { BarTable, Count, Delta, SeriesChart, Spark, Tiles, useAnswer, type Metric } from '../ui/numbers.tsx';
import { Failure, Link, TextField } from '../ui/parts.tsx';
import { comparison, rangeOf, unitOf } from '../ui/range.tsx';
import { Choice, chosen } from '../ui/steps.tsx';

const NAMES = 50, NAMES_MORE = 500, POINTS_MAX = 10000, LATEST = 20;
const SORTS = [['events', 'Events'], ['visitors', 'Visitors'], ['event', 'Name']] as const;
const METRICS: readonly Metric[] = [
  { id: 'events', text: 'Events', unit: 'count' },
  { id: 'visitors', text: 'Visitors', unit: 'count' },
  { id: 'users', text: 'Users', unit: 'count' },
  { id: 'visits', text: 'Visits', unit: 'count' },
];
const base = (more: Filter[]): Asked => ({ date_range: rangeOf(), filters: [...filters.value, ...more] });

// ---- all of them ----
/** The number of each name in each piece of the range, in the names' order. */
function useTrends(project: ProjectOf, names: string[]) {
  const question: Question = { ...base([['is', 'event', names]]), metrics: ['events'], dimensions: [`time:${unitOf()}`, 'event'], limit: POINTS_MAX, include: { time_labels: true } };
  return useLoad(JSON.stringify([project.id, question]), async (signal) => {
    const trends = new Map<string, number[]>();
    if (!names.length) return trends;
    const { results, meta } = await ask(project.id, question, signal), place = new Map(meta.time_labels?.map((l, i) => [l, i]));
    for (const name of names) trends.set(name, Array.from({ length: place.size }, () => 0));
    for (const { dimensions: [time, name], metrics: [n] } of results) (trends.get(name ?? '') ?? [])[place.get(time ?? '') ?? 0] = n ?? 0;
    return trends;
  });
}
const SPARKS = 200; // names that a filter may have
function All({ project }: { project: ProjectOf }) {
  const search = param('q') ?? '', sort = chosen('sort', SORTS), isMore = param('rows') === 'more';
  const { value, error, isLoading, retry } = useAnswer(project, {
    ...base(search ? [['contains', 'event', [search]]] : []), metrics: ['events', 'visitors'], dimensions: ['event'], limit: isMore ? NAMES_MORE : NAMES,
    order_by: [[sort, sort === 'event' ? 'asc' : 'desc']], include: { ...comparison(), total_rows: true },
  });
  const trends = useTrends(project, (value?.results ?? []).slice(0, SPARKS).map((r) => r.dimensions[0] ?? ''));
  const rows = value?.results.map((r) => {
    const name = r.dimensions[0] ?? '', trend = trends.value?.get(name);
    return { key: name, text: name, of: r.metrics[0] ?? 0, to: withParams({ event: name, q: null, sort: null, rows: null }), cells: [trend && <Spark values={trend} />, <Count of={r.metrics[0]} />, <Delta now={r.metrics[0]} before={r.comparison?.metrics[0]} />, <Count of={r.metrics[1]} />] };
  });
  return (
    <section class="card tall" aria-label="Events">
      <header class="head">
        <h2>Events</h2>
        <div class="head-end">
          <TextField type="search" aria-label="Search for a name" placeholder="Search" value={search} onDone={(text) => go(withParams({ q: text || null, rows: null }))} />
          <Choice label="Sorted by" all={SORTS} value={sort} onChoose={(v) => go(withParams({ sort: v === 'events' ? null : v }))} />
        </div>
      </header>
      {error && <Failure text={error} retry={retry} />}
      <BarTable head={['Event', 'Trend|trend', 'Events', 'Change', 'Visitors|wide']} rows={rows} isLoading={isLoading} empty={search ? 'No event of this range has such a name.' : 'No event in this range.'} />
      {rows && !isMore && (value?.meta.total_rows ?? 0) > NAMES && <button type="button" class="button" onClick={() => go(withParams({ rows: 'more' }))}>Show more of the {number(value?.meta.total_rows)} names</button>}
    </section>
  );
}

// ---- one of them ----
const STATISTICS = [['avg', 'Mean'], ['p50', 'Median'], ['p90', '90th percentile'], ['min', 'Smallest'], ['max', 'Largest'], ['sum', 'Sum']] as const;
/** Of a property whose values are numbers. */
function Statistics({ project, question, field }: { project: ProjectOf; question: Asked; field: string }) {
  const { value, isLoading } = useAnswer(project, { ...question, metrics: [`count:${field}`, ...STATISTICS.map(([a]) => `${a}:${field}`)] });
  const [count, ...all] = value?.results[0]?.metrics ?? [];
  if (!count) return null;
  return <dl class="facts" aria-busy={isLoading}><div><dt>Numbers</dt><dd>{number(count)}</dd></div>{STATISTICS.map(([a, text], i) => <div key={a}><dt>{text}</dt><dd>{number(all[i], 'ratio')}</dd></div>)}</dl>;
}
function One({ project, event }: { project: ProjectOf; event: string }) {
  const metric = METRICS.find((m) => m.id === param('metric')) ?? (METRICS[0] as Metric), own = base([['is', 'event', [event]]]);
  const { value, error, isLoading, retry } = useAnswer(project, { ...own, metrics: METRICS.map((m) => m.id), include: comparison() });
  const latest = usePages(JSON.stringify([project.id, own]), async (cursor, signal) => {
    const { results, meta } = await report<RawEvent>(project.id, { ...own, report: 'events', limit: LATEST, ...(cursor ? { cursor } : {}) }, signal);
    return { rows: results, next: meta.next_cursor ?? null };
  });
  const known = useProperties(project, own), nested = new Set(latest.value?.flatMap((e) => nestedFields(e.properties)));
  return (
    <>
      <div class="crumbs"><Link to={withParams({ event: null, by: null, metric: null, rows: null })}>All events</Link><h1 class="cut" title={event}>{event}</h1></div>
      <section class="card headline" aria-label="Numbers">
        {error && !value ? <Failure text={error} retry={retry} /> : <Tiles metrics={METRICS} row={value?.results[0]} chosen={metric.id} isLoading={isLoading} />}
        <SeriesChart project={project} metric={metric} question={{ ...own, metrics: [metric.id], dimensions: [`time:${unitOf()}`], include: { ...comparison(), time_labels: true } }} />
      </section>
      <Breakdown project={project} question={own} columns={METRICS.slice(0, 2)} seen={known && [...known, ...nested]}>
        {(field) => field.startsWith('property:') && <Statistics project={project} question={own} field={field} />}
      </Breakdown>
      <section class="card tall" aria-label="Latest" aria-busy={latest.isLoading}>
        <header class="head"><h2>Latest</h2></header>
        {latest.value && (latest.value.length ? <EventList events={latest.value} project={project} label="Latest events" of="name" /> : <p class="muted">None in this range.</p>)}
        {latest.error && <Failure text={latest.error} retry={latest.retry} />}
        {latest.more && <button type="button" class="button" onClick={latest.more}>Show older ones</button>}
      </section>
    </>
  );
}
export function EventsPage({ project }: { project: ProjectOf }) {
  const event = param('event');
  if (event) return <One key={event} project={project} event={event} />;
  return <><h1 class="hidden">Events of {project.name}</h1><All project={project} /></>;
}
