import { ask, type Answer, type Filter, type Question } from '../api.ts';
import { change, changeText, name, number, whole, type Unit } from '../format.ts';
import { useLoad } from '../load.ts';
import { filters, go, param, toggleFilter, withParams } from '../location.ts';
import { begun, lookForEvents, type ProjectOf } from '../session.ts';
import { Chart, type Series } from '../ui/chart.tsx';
import { Failure, Tabs } from '../ui/parts.tsx';
import { compare, rangeOf, unitOf } from '../ui/range.tsx';
import { StartPage } from './start.tsx';

interface Metric { id: string; text: string; unit: Unit; isBetterLow?: boolean }
const METRICS: readonly Metric[] = [
  { id: 'visitors', text: 'Visitors', unit: 'count' },
  { id: 'visits', text: 'Visits', unit: 'count' },
  { id: 'pageviews', text: 'Page views', unit: 'count' },
  { id: 'views_per_visit', text: 'Views per visit', unit: 'ratio' },
  { id: 'bounce_rate', text: 'Bounce rate', unit: 'percent', isBetterLow: true },
  { id: 'visit_duration', text: 'Visit duration', unit: 'seconds' },
];
const base = (): Pick<Question, 'date_range' | 'filters'> => ({ date_range: rangeOf(), filters: filters.value });
const comparison = (): NonNullable<Question['include']> => { const c = compare(); return c ? { compare: c } : {}; };
const keyOf = (project: ProjectOf, what: unknown): string => JSON.stringify([project.id, base(), what]);

function Tiles({ project, metric }: { project: ProjectOf; metric: string }) {
  const question: Question = { ...base(), metrics: METRICS.map((m) => m.id), include: comparison() };
  const { value, error, isLoading, retry } = useLoad(keyOf(project, question), (signal) => ask(project.id, question, signal));
  if (error && !value) return <Failure text={error} retry={retry} />;
  const row = value?.results[0];
  return (
    <div class="tiles" aria-busy={isLoading}>
      {METRICS.map((m, i) => {
        const now = row?.metrics[i], delta = change(now, row?.comparison?.metrics[i]);
        const isGood = delta !== null && (m.isBetterLow ? delta < 0 : delta > 0);
        return (
          <button key={m.id} type="button" class="tile" aria-pressed={m.id === metric} onClick={() => go(withParams({ metric: m.id === 'visitors' ? null : m.id }))}>
            <span class="tile-name">{m.text}</span>
            <span class="tile-value" title={row ? whole(now, m.unit) : ''}>{row ? number(now, m.unit) : ' '}</span>
            <span class={`delta ${delta === null || Math.abs(delta) < 0.05 ? '' : isGood ? 'up' : 'down'}`}>{delta === null ? ' ' : changeText(delta)}</span>
          </button>
        );
      })}
    </div>
  );
}
function series(answer: Answer): Series {
  const by = new Map(answer.results.map((r) => [r.dimensions[0] ?? '', r]));
  const labels = answer.meta.time_labels ?? [...by.keys()];
  const has = answer.results.some((r) => r.comparison);
  return { labels, now: labels.map((l) => by.get(l)?.metrics[0] ?? null), before: has ? labels.map((l) => by.get(l)?.comparison?.metrics[0] ?? null) : null };
}
function Main({ project, metric }: { project: ProjectOf; metric: Metric }) {
  const question: Question = { ...base(), metrics: [metric.id], dimensions: [`time:${unitOf()}`], include: { ...comparison(), time_labels: true } };
  const { value, error, isLoading, retry } = useLoad(keyOf(project, question), (signal) => ask(project.id, question, signal));
  if (error && !value) return <Failure text={error} retry={retry} />;
  return <div class="chart-box" aria-busy={isLoading}>{value ? <Chart series={series(value)} unit={metric.unit} what={metric.text} /> : <div class="chart-plot" />}{error && <Failure text={error} retry={retry} />}</div>;
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
function Rows({ project, of }: { project: ProjectOf; of: List }) {
  const question: Question = { ...base(), filters: [...filters.value, ...(of.more ?? [])], metrics: [of.metric], dimensions: [of.field], limit: ROWS };
  const { value, error, isLoading, retry } = useLoad(keyOf(project, question), (signal) => ask(project.id, question, signal));
  if (error && !value) return <Failure text={error} retry={retry} />;
  const rows = value?.results ?? [], most = Math.max(1, ...rows.map((r) => r.metrics[0] ?? 0));
  const chosen = new Set(filters.value.filter(([o, f]) => o === 'is' && f === of.field).flatMap(([, , v]) => v));
  return (
    <table class="rows" aria-busy={isLoading}>
      <thead><tr><th scope="col">{of.text}</th><th scope="col" class="right">{of.count}</th></tr></thead>
      <tbody>
        {rows.map((r) => {
          const raw = r.dimensions[0] ?? '', n = r.metrics[0];
          return (
            <tr key={raw}>
              <th scope="row">
                <span class="bar" style={{ width: `${((n ?? 0) / most) * 100}%` }} aria-hidden="true" />
                <button type="button" class="row-name" title={name(of.field, raw)} aria-pressed={chosen.has(raw)} onClick={() => toggleFilter(of.field, raw)}>{name(of.field, raw)}</button>
              </th>
              <td class="right" title={whole(n)}>{number(n)}</td>
            </tr>
          );
        })}
        {value && !rows.length && <tr><td colSpan={2} class="muted nothing">Nothing in this range.</td></tr>}
      </tbody>
    </table>
  );
}
function Panel({ project, title, lists }: { project: ProjectOf; title: string; lists: readonly List[] }) {
  const asked = param(title.toLowerCase()), of = lists.find((l) => l.id === asked) ?? lists[0];
  if (!of) return null;
  return (
    <section class="panel card" aria-label={title}>
      <header><h2>{title}</h2>{lists.length > 1 && <Tabs label={title} all={lists.map((l) => [l.id, l.text] as const)} value={of.id} onChoose={(id) => go(withParams({ [title.toLowerCase()]: id === lists[0]?.id ? null : id }), { replace: true })} />}</header>
      <Rows key={of.id} project={project} of={of} />
    </section>
  );
}
export function OverviewPage({ project }: { project: ProjectOf }) {
  const hasEvents = useLoad(project.id, (signal) => lookForEvents(project.id, signal));
  if (hasEvents.value === false && !begun.value.includes(project.id)) return <StartPage project={project} />;
  const metric = METRICS.find((m) => m.id === param('metric')) ?? (METRICS[0] as Metric);
  return (
    <>
      <h1 class="hidden">Overview of {project.name}</h1>
      <section class="card headline" aria-label="Headline numbers"><Tiles project={project} metric={metric.id} /><Main project={project} metric={metric} /></section>
      <div class="panels">{PANELS.map(([title, lists]) => <Panel key={title} project={project} title={title} lists={lists} />)}</div>
    </>
  );
}
