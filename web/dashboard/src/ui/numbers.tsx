// How numbers are shown everywhere: tiles that choose what the chart draws, the chart, and tables with a bar behind each row.
import type { ComponentChildren } from 'preact';
import { ask, type Answer, type Question, type Row } from '../api.ts';
import { change, changeText, name, number, whole, type Unit } from '../format.ts';
import { useLoad } from '../load.ts';
import { go, isFiltered, toggleFilter, withParams } from '../location.ts';
import { all, type ProjectOf } from '../session.ts';
import { Chart, type Series } from './chart.tsx';
import { marksOf, type Annotation, type Mark } from './marks.ts';
import { Failure, Link } from './parts.tsx';

/** `isSum`: where nothing happened it is nothing, though the answer knows of no number. */
export interface Metric { id: string; text: string; unit: Unit; isBetterLow?: boolean; isSum?: boolean }
export function useAnswer(project: ProjectOf, question: Question) {
  return useLoad(JSON.stringify([project.id, question]), (signal) => ask(project.id, question, signal));
}
/** What became of a number, in percent; takes its room where there is nothing to compare with. */
export function Delta({ now, before, isBetterLow = false }: { now: number | null | undefined; before: number | null | undefined; isBetterLow?: boolean | undefined }) {
  const delta = change(now, before), isGood = delta !== null && (isBetterLow ? delta < 0 : delta > 0);
  return <span class={`delta ${delta === null || Math.abs(delta) < 0.05 ? '' : isGood ? 'up' : 'down'}`}>{delta === null ? '\u00a0' : changeText(delta)}</span>;
}
/** The metrics of one row, in their order; the chosen one stands in the address. */
export function Tiles({ metrics, row, chosen, isLoading }: { metrics: readonly Metric[]; row: Row | undefined; chosen: string; isLoading: boolean }) {
  return (
    <div class="tiles" aria-busy={isLoading}>
      {metrics.map((m, i) => (
        <button key={m.id} type="button" class="tile" aria-pressed={m.id === chosen} onClick={() => go(withParams({ metric: m === metrics[0] ? null : m.id }))}>
          <span class="tile-name">{m.text}</span>
          <span class="tile-value" title={row ? whole(row.metrics[i], m.unit) : ''}>{row ? number(row.metrics[i], m.unit) : '\u00a0'}</span>
          <Delta now={row?.metrics[i]} before={row?.comparison?.metrics[i]} isBetterLow={m.isBetterLow} />
        </button>
      ))}
    </div>
  );
}
/** Numbers that choose nothing. */
export function Figures({ all }: { all: readonly (readonly [text: string, value: string])[] }) {
  return <dl class="tiles">{all.map(([text, value]) => <div key={text} class="tile"><dt class="tile-name">{text}</dt><dd class="tile-value">{value}</dd></div>)}</dl>;
}
export function seriesOf(answer: Answer, empty: 0 | null = null): Series {
  const by = new Map(answer.results.map((r) => [r.dimensions[0] ?? '', r]));
  const labels = answer.meta.time_labels ?? [...by.keys()];
  const has = answer.results.some((r) => r.comparison);
  return { labels, now: labels.map((l) => by.get(l)?.metrics[0] ?? empty), before: has ? labels.map((l) => by.get(l)?.comparison?.metrics[0] ?? empty) : null };
}
const day = (instant: string, by: number): string => new Date(Date.parse(instant) + by * 86400000).toISOString().slice(0, 10);
/** What happened in the range of an answer; a day more on each side, as days are those of some zone. */
function useMarks(project: ProjectOf, answer: Answer | undefined): Mark[] {
  const [first, end] = answer?.query.date_range ?? ['', ''];
  const { value } = useLoad(`${project.id} ${first} ${end}`, async (): Promise<Annotation[]> => (first && end ? all(`/v1/projects/${project.id}/annotations?from=${day(first, -1)}&to=${day(end, 1)}`) : []));
  return answer && value ? marksOf(value, seriesOf(answer).labels, end, project.time_zone) : [];
}
/** Said where imported data were asked for, and do not know what the question is about. */
export const WithoutImports = ({ of }: { of: Answer | undefined }) => (of?.meta.imports_included === false ? <p class="aside">Without imported data</p> : null);
/** A question of one metric by time, with what happened then. */
export function SeriesChart({ project, question, metric }: { project: ProjectOf; question: Question; metric: Metric }) {
  const { value, error, isLoading, retry } = useAnswer(project, question), marks = useMarks(project, value);
  if (error && !value) return <Failure text={error} retry={retry} />;
  return <div class="chart-box" aria-busy={isLoading}>{value ? <Chart series={seriesOf(value, metric.isSum ? 0 : null)} unit={metric.unit} what={metric.text} marks={marks} /> : <div class="chart-plot" />}{error && <Failure text={error} retry={retry} />}<WithoutImports of={value} /></div>;
}
const WIDTH = 120, HEIGHT = 24;
/** A line without axes, beside its number: it says no more than up or down. */
export function Spark({ values }: { values: (number | null)[] }) {
  const most = Math.max(1, ...values.map((v) => v ?? 0)), step = WIDTH / Math.max(1, values.length - 1);
  return <svg class="spark" viewBox={`0 -1 ${WIDTH} ${HEIGHT + 2}`} preserveAspectRatio="none" aria-hidden="true"><polyline points={values.map((v, i) => `${i * step},${HEIGHT - ((v ?? 0) / most) * HEIGHT}`).join(' ')} vector-effect="non-scaling-stroke" /></svg>;
}
export interface BarRow {
  key: string;
  text: string;
  of: number; // as long as its bar is, beside the others'
  cells: ComponentChildren[];
  isChosen?: boolean;
  onChoose?: () => void;
  to?: string; // the address of a page about it, instead of onChoose
}
/** `head`: what the rows are, then what the cells are; a class behind "|" of those. onPoint: pointer or focus is on that row; '' on none. */
export function BarTable({ head, rows, isLoading, empty, onPoint }: { head: readonly string[]; rows: BarRow[] | undefined; isLoading: boolean; empty: string; onPoint?: (key: string) => void }) {
  const most = Math.max(0, ...(rows ?? []).map((r) => r.of)), [first, ...others] = head.map((h) => h.split('|'));
  const pointing = (key: string) => (onPoint ? { onPointerEnter: () => onPoint(key), onPointerLeave: () => onPoint(''), onFocusIn: () => onPoint(key), onFocusOut: () => onPoint('') } : {});
  const kind = (i: number): string => `right ${others[i]?.[1] ?? ''}`;
  return (
    <table class="rows" aria-busy={isLoading}>
      <thead><tr><th scope="col">{first?.[0]}</th>{others.map(([text], i) => <th key={text} scope="col" class={kind(i)}>{text}</th>)}</tr></thead>
      <tbody>
        {rows?.map((r) => (
          <tr key={r.key} {...pointing(r.key)}>
            <th scope="row">
              <span class="bar" style={{ width: `${most ? (r.of / most) * 100 : 0}%` }} aria-hidden="true" />
              {r.to ? <Link to={r.to} class="row-name" title={r.text}>{r.text}</Link> : r.onChoose ? <button type="button" class="row-name" title={r.text} aria-pressed={r.isChosen ?? false} onClick={r.onChoose}>{r.text}</button> : <span class="row-name" title={r.text}>{r.text}</span>}
            </th>
            {r.cells.map((c, i) => <td key={i} class={kind(i)}>{c}</td>)}
          </tr>
        ))}
        {rows && !rows.length && <tr><td colSpan={head.length} class="muted nothing">{empty}</td></tr>}
      </tbody>
    </table>
  );
}
/** A value of a field with its metrics; choosing it filters by it. */
export function valueRow(field: string, row: Row, units: readonly Unit[] = []): BarRow {
  const raw = row.dimensions[0] ?? '';
  return { key: raw, text: name(field, raw), of: row.metrics[0] ?? 0, cells: row.metrics.map((n, i) => <Count key={i} of={n} unit={units[i] ?? 'count'} />), isChosen: isFiltered(field, raw), onChoose: () => toggleFilter(field, raw) };
}
export const Count = ({ of, unit }: { of: number | null | undefined; unit?: Unit }) => <span title={whole(of, unit)}>{number(of, unit)}</span>;
