import { useMemo, useState } from 'preact/hooks';
import type { Answer, Filter, Question } from '../api.ts';
import { useLoad, type Loaded } from '../load.ts';
import { filters, go, param, sharedLink, toggleFilter, withParams } from '../location.ts';
import { begun, lookForEvents, lookForImports, type ProjectOf } from '../session.ts';
import { BarTable, SeriesChart, Tiles, useAnswer, valueRow, WithoutImports, type Metric } from '../ui/numbers.tsx';
import { Failure, Tabs } from '../ui/parts.tsx';
import { comparison, imports, rangeOf, unitOf } from '../ui/range.tsx';
import { SqlButton } from '../ui/sql.tsx';
import { StartPage } from './start.tsx';

const METRICS: readonly Metric[] = [
  { id: 'visitors', text: 'Visitors', unit: 'count' },
  { id: 'visits', text: 'Visits', unit: 'count' },
  { id: 'pageviews', text: 'Page views', unit: 'count' },
  { id: 'views_per_visit', text: 'Views per visit', unit: 'ratio' },
  { id: 'bounce_rate', text: 'Bounce rate', unit: 'percent', isBetterLow: true },
  { id: 'visit_duration', text: 'Visit duration', unit: 'seconds' },
];
const base = (): Pick<Question, 'date_range' | 'filters'> => ({ date_range: rangeOf(), filters: filters.value });
const numbersAsked = (): Question => ({ ...base(), metrics: METRICS.map((m) => m.id), include: { ...comparison(), ...imports() } });
const seriesAsked = (metric: Metric): Question => ({ ...base(), metrics: [metric.id], dimensions: [`time:${unitOf()}`], include: { ...comparison(), ...imports(), time_labels: true } });

function Headline({ project, metric }: { project: ProjectOf; metric: Metric }) {
  const { value, error, isLoading, retry } = useAnswer(project, numbersAsked());
  return (
    <section class="card headline" aria-label="Headline numbers">
      {error && !value ? <Failure text={error} retry={retry} /> : <Tiles metrics={METRICS} row={value?.results[0]} chosen={metric.id} isLoading={isLoading} />}
      <SeriesChart project={project} metric={metric} question={seriesAsked(metric)} />
    </section>
  );
}

interface List { id: string; field: string; text: string; metric: string; count: string; more?: Filter[] }
const list = (field: string, text: string, metric = 'visitors', count = 'Visitors', more: Filter[] = []): List => ({ id: field, field, text, metric, count, more });
const PANELS: readonly (readonly [title: string, lists: readonly List[]])[] = [
  ['Sources', [list('source', 'Source'), list('channel', 'Channel'), list('referrer', 'Referrer'), list('utm_campaign', 'Campaign')]],
  ['Pages', [list('page', 'Page', 'visitors', 'Visitors', [['is', 'event', ['pageview']]]), list('entry_page', 'Entry'), list('exit_page', 'Exit'), list('hostname', 'Host')]],
  ['Places', [list('country', 'Country'), list('region', 'Region'), list('city', 'City'), list('locale', 'Language')]],
  ['Devices', [list('browser', 'Browser'), list('os', 'System'), list('device', 'Device'), list('screen_class', 'Screen')]],
  ['Events', [list('event', 'Event', 'events', 'Events', [['is_not', 'event', ['pageview']]])]],
];
const ROWS = 9;
const rowsAsked = (of: List, limit = ROWS): Question => ({ ...base(), filters: [...filters.value, ...(of.more ?? [])], metrics: [of.metric], dimensions: [of.field], limit, include: imports() });
const useRows = (project: ProjectOf, of: List, limit = ROWS): Loaded<Answer> => useAnswer(project, rowsAsked(of, limit));
/** The list of a panel that the address says. */
const shownOf = (title: string, lists: readonly List[]): List | undefined => lists.find((l) => l.id === param(title.toLowerCase())) ?? lists[0];
function Rows({ of, loaded: { value, error, isLoading, retry }, onPoint }: { of: List; loaded: Loaded<Answer>; onPoint?: (value: string) => void }) {
  if (error && !value) return <Failure text={error} retry={retry} />;
  return (
    <>
      <BarTable head={[of.text, of.count]} rows={value?.results.slice(0, ROWS).map((r) => valueRow(of.field, r))} isLoading={isLoading} empty="Nothing in this range." {...(onPoint ? { onPoint } : {})} />
      <WithoutImports of={value} />
    </>
  );
}
function AskedRows({ project, of }: { project: ProjectOf; of: List }) {
  return <Rows of={of} loaded={useRows(project, of)} />;
}
const COUNTRIES_MAX = 300; // more than there are
/** The map and, beside it, the list: of countries, it is the same answer. */
function Places({ project, of, countries }: { project: ProjectOf; of: List; countries: List }) {
  const [pointed, setPointed] = useState('');
  const loaded = useRows(project, countries, COUNTRIES_MAX), map = useLoad('map', () => import('../ui/map.tsx').then((m) => m.WorldMap)), WorldMap = map.value;
  const numbers = useMemo(() => new Map((loaded.value?.results ?? []).flatMap((r) => (r.dimensions[0] ? [[r.dimensions[0], r.metrics[0] ?? 0] as const] : []))), [loaded.value]);
  const chosen = new Set(filters.value.filter(([o, f]) => o === 'is' && f === 'country').flatMap(([, , v]) => v));
  return (
    <div class="places">
      <div class="map-box" aria-busy={loaded.isLoading}>
        {WorldMap && <WorldMap numbers={numbers} chosen={chosen} pointed={pointed} onPoint={setPointed} onChoose={(code) => toggleFilter('country', code)} />}
        {map.error && <Failure text="The map could not be loaded." retry={map.retry} />}
      </div>
      <div>{of === countries ? <Rows of={of} loaded={loaded} onPoint={setPointed} /> : <AskedRows key={of.id} project={project} of={of} />}</div>
    </div>
  );
}
function Panel({ project, title, lists }: { project: ProjectOf; title: string; lists: readonly List[] }) {
  const first = lists[0], of = shownOf(title, lists);
  if (!of || !first) return null;
  const isPlaces = first.id === 'country';
  return (
    <section class={`panel card ${isPlaces ? 'wide' : ''}`} aria-label={title}>
      <header><h2>{title}</h2>{lists.length > 1 && <Tabs label={title} all={lists.map((l) => [l.id, l.text] as const)} value={of.id} onChoose={(id) => go(withParams({ [title.toLowerCase()]: id === first.id ? null : id }), { replace: true })} />}</header>
      {isPlaces ? <Places project={project} of={of} countries={first} /> : <AskedRows key={of.id} project={project} of={of} />}
    </section>
  );
}
export function OverviewPage({ project }: { project: ProjectOf }) {
  const hasEvents = useLoad(project.id, (signal) => lookForEvents(project.id, signal)), isShared = sharedLink.value !== '';
  const hasImports = useLoad(`imports of ${isShared ? '' : project.id}`, (signal) => (isShared ? Promise.resolve(false) : lookForImports(project.id, signal)));
  if (hasEvents.value === false && hasImports.value === undefined && !hasImports.error) return <div aria-busy="true" />;
  if (hasEvents.value === false && !hasImports.value && !begun.value.includes(project.id)) return sharedLink.value ? <p class="card">Nothing has been counted here yet.</p> : <StartPage project={project} />;
  const metric = METRICS.find((m) => m.id === param('metric')) ?? (METRICS[0] as Metric);
  return (
    <>
      <h1 class="hidden">Overview of {project.name}</h1>
      <Headline project={project} metric={metric} />
      <div class="panels">{PANELS.map(([title, lists]) => <Panel key={title} project={project} title={title} lists={lists} />)}</div>
      <SqlButton project={project} of={[{ text: 'Numbers', question: numbersAsked() }, { text: 'Chart', question: seriesAsked(metric) }, ...PANELS.flatMap(([title, lists]) => { const of = shownOf(title, lists); return of ? [{ text: title, question: rowsAsked(of) }] : []; })]} />
    </>
  );
}
