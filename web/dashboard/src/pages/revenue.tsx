// What events brought in, a currency at a time: by time, by what they and their visits were, and to which visits it is owed.
import type { Filter, Question } from '../api.ts';
import { number } from '../format.ts';
import { filters, go, param, withParams } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Attribution } from '../ui/attribution.tsx';
import { Breakdown, useProperties } from '../ui/breakdown.tsx';
import { SeriesChart, Tiles, useAnswer, type Metric } from '../ui/numbers.tsx';
import { Failure, Tabs } from '../ui/parts.tsx';
import { comparison, rangeOf, unitOf } from '../ui/range.tsx';

const base = (more: Filter[]): Pick<Question, 'date_range'> & { filters: Filter[] } => ({ date_range: rangeOf(), filters: [...filters.value, ...more] });
function Of({ project, currency }: { project: ProjectOf; currency: string }) {
  const metrics: readonly Metric[] = [
    { id: 'sum:revenue', text: 'Revenue', unit: `money:${currency}`, isSum: true },
    { id: 'events', text: 'Purchases', unit: 'count' },
    { id: 'avg:revenue', text: 'Per purchase', unit: `money:${currency}` },
    { id: 'visitors', text: 'Buyers', unit: 'count' },
  ];
  const metric = metrics.find((m) => m.id === param('metric')) ?? (metrics[0] as Metric), paid: Filter[] = [['is', 'currency', [currency]]], own = base(paid);
  const { value, error, isLoading, retry } = useAnswer(project, { ...own, metrics: metrics.map((m) => m.id), include: comparison() });
  return (
    <>
      <section class="card headline" aria-label="Numbers">
        {error && !value ? <Failure text={error} retry={retry} /> : <Tiles metrics={metrics} row={value?.results[0]} chosen={metric.id} isLoading={isLoading} />}
        <SeriesChart project={project} metric={metric} question={{ ...own, metrics: [metric.id], dimensions: [`time:${unitOf()}`], include: { ...comparison(), time_labels: true } }} />
      </section>
      <Breakdown project={project} question={own} columns={[metrics[0], metrics[1], metrics[3]] as Metric[]} seen={useProperties(project, own)} usual="source" />
      <Attribution project={project} question={base([])} goal={paid} currency={currency} />
    </>
  );
}
export function RevenuePage({ project }: { project: ProjectOf }) {
  const { value, error, isLoading, retry } = useAnswer(project, { ...base([['is_not', 'currency', ['']]]), metrics: ['events'], dimensions: ['currency'] });
  const all = value?.results.map((r) => [r.dimensions[0] ?? '', r.metrics[0]] as const) ?? [], asked = param('currency');
  const currency = asked ?? all[0]?.[0];
  return (
    <>
      <h1 class="hidden">Revenue of {project.name}</h1>
      {error && !value && <section class="card"><Failure text={error} retry={retry} /></section>}
      {all.length > 1 && <Tabs label="Currency" all={all.map(([c, n]) => [c, `${c} (${number(n)})`] as const)} value={currency ?? ''} onChoose={(c) => go(withParams({ currency: c === all[0]?.[0] ? null : c }))} />}
      {currency ? <Of key={currency} project={project} currency={currency} /> : (
        <section class="card tall" aria-label="Revenue" aria-busy={isLoading}>
          {value && <><h2>No revenue in this range</h2><p class="muted">An event brings revenue with it as <code>{'"revenue": {"amount": 19.90, "currency": "EUR"}'}</code>.</p></>}
        </section>
      )}
    </>
  );
}
