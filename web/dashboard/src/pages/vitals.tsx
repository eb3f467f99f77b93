// How fast pages are for those who are there: Web Vitals by percentile, by time, by page and by what else may tell them apart.
import { ask, report, type VitalsRow } from '../api.ts';
import { name, number, whole, type Unit } from '../format.ts';
import { useLoad } from '../load.ts';
import { filters, go, isFiltered, param, toggleFilter, withParams } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Chart } from '../ui/chart.tsx';
import { Failure } from '../ui/parts.tsx';
import { rangeOf, unitOf } from '../ui/range.tsx';
import { Choice, chosen } from '../ui/steps.tsx';

const PERCENTILES = [['p75', '75th percentile'], ['p50', 'Median'], ['p90', '90th percentile'], ['p95', '95th percentile'], ['p99', '99th percentile']] as const;
type Values = VitalsRow['vitals'][string];
type Rating = Values['rating'];
/** The thresholds are web.dev's (docs/definitions.md). */
interface Vital { id: string; text: string; says: string; unit: Unit; good: number; poor: number }
const VITALS: readonly Vital[] = [
  { id: 'LCP', text: 'Largest Contentful Paint', says: 'when the largest part of a page is there', unit: 'ms', good: 2500, poor: 4000 },
  { id: 'INP', text: 'Interaction to Next Paint', says: 'how long a page takes to answer a click or a key', unit: 'ms', good: 200, poor: 500 },
  { id: 'CLS', text: 'Cumulative Layout Shift', says: 'how much of a page jumps while it is read', unit: 'score', good: 0.1, poor: 0.25 },
  { id: 'FCP', text: 'First Contentful Paint', says: 'when something is there to be seen', unit: 'ms', good: 1800, poor: 3000 },
  { id: 'TTFB', text: 'Time to First Byte', says: 'when the first byte of a page arrives', unit: 'ms', good: 800, poor: 1800 },
  { id: 'FID', text: 'First Input Delay', says: 'how long the first click waits; INP has taken its place', unit: 'ms', good: 100, poor: 300 },
];
const RATINGS: Record<Rating, string> = { good: 'Good', needs_improvement: 'Needs improvement', poor: 'Poor' };
const FIELDS = [['page', 'Page'], ['hostname', 'Host'], ['device', 'Device'], ['browser', 'Browser'], ['os', 'System'], ['country', 'Country'], ['network', 'Network']] as const;
const ORDERS = [['count', 'Most samples'], ['p75', 'Worst']] as const;
const ROWS = 30;

const base = () => ({ report: 'vitals', date_range: rangeOf(), filters: filters.value });
const useVitals = (project: ProjectOf, question: Record<string, unknown>) => useLoad(JSON.stringify([project.id, question]), (signal) => report<VitalsRow>(project.id, question, signal));
const ratingOf = (vital: Vital, value: number): Rating => (value <= vital.good ? 'good' : value > vital.poor ? 'poor' : 'needs_improvement');

const RatingText = ({ of }: { of: Rating }) => <span class={`rating ${of}`}>{RATINGS[of]}</span>;
/** What share of visits was good, was not, was poor. */
function Shares({ of }: { of: Values }) {
  const all = (Object.keys(RATINGS) as Rating[]).map((r) => [r, of[r]] as const);
  return <span class="shares" role="img" aria-label={all.map(([r, share]) => `${RATINGS[r]} ${number(share, 'percent')}`).join(', ')} title={all.map(([r, share]) => `${RATINGS[r]}: ${number(share, 'percent')}`).join('\n')}>{all.map(([r, share]) => <span key={r} class={r} style={{ width: `${share}%` }} />)}</span>;
}
function Chosen({ project, vital, percentile }: { project: ProjectOf; vital: Vital; percentile: (typeof PERCENTILES)[number][0] }) {
  const time = `time:${unitOf()}`, question = { ...base(), metrics: [vital.id], dimensions: [time] };
  const { value, error, isLoading, retry } = useLoad(JSON.stringify([project.id, question]), async (signal) => {
    const [labels, samples] = await Promise.all([ask(project.id, { metrics: ['events'], date_range: rangeOf(), dimensions: [time], include: { time_labels: true } }, signal), report<VitalsRow>(project.id, question, signal)]);
    return { labels: labels.meta.time_labels ?? [], rows: new Map(samples.results.map((r) => [r.dimensions[0], r.vitals[vital.id]])) };
  });
  if (error && !value) return <Failure text={error} retry={retry} />;
  const what = `${vital.text}, ${PERCENTILES.find(([p]) => p === percentile)?.[1].toLowerCase()}`;
  return <div class="chart-box" aria-busy={isLoading}>{value ? <Chart series={{ labels: value.labels, now: value.labels.map((l) => value.rows.get(l)?.[percentile] ?? null), before: null, limits: [vital.good, vital.poor] }} unit={vital.unit} what={what} /> : <div class="chart-plot" />}</div>;
}
function By({ project, vital }: { project: ProjectOf; vital: Vital }) {
  const field = chosen('by', FIELDS), order = chosen('order', ORDERS);
  const { value, error, isLoading, retry } = useVitals(project, { ...base(), metrics: [vital.id], dimensions: [field], order, limit: ROWS });
  return (
    <section class="card tall" aria-label="By value" aria-busy={isLoading}>
      <header class="head">
        <h2>{vital.id} by {FIELDS.find(([f]) => f === field)?.[1].toLowerCase()}</h2>
        <div class="head-end">
          <Choice label="By" all={FIELDS} value={field} onChoose={(v) => go(withParams({ by: v === 'page' ? null : v }))} />
          <Choice label="First" all={ORDERS} value={order} onChoose={(v) => go(withParams({ order: v === 'count' ? null : v }))} />
        </div>
      </header>
      {error && <Failure text={error} retry={retry} />}
      {value && (value.results.length === 0 ? <p class="muted">Nothing was measured in this range.</p> : (
        <div class="scroll" tabIndex={0} role="region" aria-label={`${vital.id} by value`}>
          <table class="grid wide-first">
            <thead><tr><th scope="col">{FIELDS.find(([f]) => f === field)?.[1]}</th><th scope="col">Rating</th><th scope="col">Shares</th>{[...PERCENTILES].sort(([a], [b]) => (a < b ? -1 : 1)).map(([p]) => <th key={p} scope="col" class="right">{p}</th>)}<th scope="col" class="right">Samples</th></tr></thead>
            <tbody>
              {value.results.map((r) => {
                const of = r.vitals[vital.id], raw = r.dimensions[0] ?? '';
                return of && (
                  <tr key={raw}>
                    <th scope="row"><button type="button" class="row-name" title={name(field, raw)} aria-pressed={isFiltered(field, raw)} onClick={() => toggleFilter(field, raw)}>{name(field, raw)}</button></th>
                    <td><RatingText of={of.rating} /></td>
                    <td><Shares of={of} /></td>
                    {[...PERCENTILES].sort(([a], [b]) => (a < b ? -1 : 1)).map(([p]) => <td key={p} class="right">{number(of[p], vital.unit)}</td>)}
                    <td class="right" title={whole(of.count)}>{number(of.count)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      ))}
    </section>
  );
}
export function VitalsPage({ project }: { project: ProjectOf }) {
  const { value, error, isLoading, retry } = useVitals(project, base()), all = value?.results[0]?.vitals;
  const vital = VITALS.find((v) => v.id === param('metric')) ?? (VITALS[0] as Vital), percentile = chosen('percentile', PERCENTILES);
  const shown = VITALS.filter((v) => v.id !== 'FID' || all?.['FID'] || vital.id === 'FID');
  return (
    <>
      <h1 class="hidden">Web Vitals of {project.name}</h1>
      <section class="card headline" aria-label="Web Vitals">
        {error && !value ? <Failure text={error} retry={retry} /> : (
          <div class="tiles" aria-busy={isLoading}>
            {shown.map((v) => {
              const of = all?.[v.id];
              return (
                <button key={v.id} type="button" class="tile" aria-pressed={v.id === vital.id} title={`${v.text}: ${v.says}`} onClick={() => go(withParams({ metric: v === VITALS[0] ? null : v.id }))}>
                  <span class="tile-name">{v.id}</span>
                  <span class="tile-value">{value ? number(of?.[percentile], v.unit) : '\u00a0'}</span>
                  {of ? <RatingText of={ratingOf(v, of[percentile])} /> : <span class="rating none">{value ? 'Not measured' : '\u00a0'}</span>}
                </button>
              );
            })}
          </div>
        )}
        <div class="about">
          <p><b>{vital.text}</b>: {vital.says}. Good up to {number(vital.good, vital.unit)}, poor above {number(vital.poor, vital.unit)} (the dotted lines).</p>
          <Choice label="Shown" all={PERCENTILES} value={percentile} onChoose={(v) => go(withParams({ percentile: v === 'p75' ? null : v }))} />
        </div>
        <Chosen key={vital.id} project={project} vital={vital} percentile={percentile} />
      </section>
      <By project={project} vital={vital} />
    </>
  );
}
