import { useState } from 'preact/hooks';
import { report, type Filter, type FunnelRow } from '../api.ts';
import { name, number, whole } from '../format.ts';
import { useLoad } from '../load.ts';
import { filters, go, params, withParams } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Failure } from '../ui/parts.tsx';
import { rangeOf } from '../ui/range.tsx';
import { SqlButton } from '../ui/sql.tsx';
import { Choice, chosen, COUNTS, StepInput, stepFilters, stepName, stepOf, stepText, useNames, type Step } from '../ui/steps.tsx';


const WINDOWS = [['3600', '1 hour'], ['86400', '1 day'], ['604800', '7 days'], ['2592000', '30 days']] as const;
const ORDERS = [['ordered', 'In this order'], ['strict', 'Directly one after the other'], ['unordered', 'In any order']] as const;
const FIELDS = [['', 'Nothing'], ['country', 'Country'], ['browser', 'Browser'], ['os', 'System'], ['device', 'Device'], ['screen_class', 'Screen']] as const;
const STEPS_MAX = 20, BREAKDOWN_ROWS = 12;

function Builder({ project }: { project: ProjectOf }) {
  const names = useNames(project.id), inAddress = params('s').map(stepOf).filter((s) => s !== null);
  // A step that is being written is not in the address yet.
  const [draft, setDraft] = useState<Step[]>(inAddress.length ? inAddress : [{ kind: 'event', value: 'pageview' }, { kind: 'event', value: '' }]);
  const set = (steps: Step[]): void => {
    setDraft(steps);
    go(withParams({ s: steps.filter((s) => s.value).map(stepText) }));
  };
  return (
    <div class="builder">
      <ol class="steps">
        {draft.map((step, i) => (
          <li key={i}>
            <StepInput value={step} names={names} label={`Step ${i + 1}`} onChange={(s) => set(draft.map((d, n) => (n === i ? s : d)))} />
            <button type="button" class="button quiet" aria-label={`Move step ${i + 1} up`} disabled={!i} onClick={() => set(draft.map((d, n) => (n === i - 1 ? step : n === i ? (draft[i - 1] as Step) : d)))}>↑</button>
            <button type="button" class="button quiet" aria-label={`Remove step ${i + 1}`} disabled={draft.length < 3} onClick={() => set(draft.filter((_d, n) => n !== i))}>×</button>
          </li>
        ))}
      </ol>
      <div class="choices">
        <button type="button" class="button" disabled={draft.length >= STEPS_MAX} onClick={() => setDraft([...draft, { kind: 'event', value: '' }])}>Add a step</button>
        <Choice label="Within" all={WINDOWS} value={chosen('window', WINDOWS, '86400')} onChoose={(v) => go(withParams({ window: v === '86400' ? null : v }))} />
        <Choice label="Order" all={ORDERS} value={chosen('order', ORDERS)} onChoose={(v) => go(withParams({ order: v === 'ordered' ? null : v }))} />
        <Choice label="Broken down by" all={FIELDS} value={chosen('by', FIELDS)} onChoose={(v) => go(withParams({ by: v || null }))} />
        <Choice label="Of" all={COUNTS} value={chosen('of', COUNTS)} onChoose={(v) => go(withParams({ of: v === 'visitors' ? null : v }))} />
      </div>
    </div>
  );
}
function Bars({ row, steps }: { row: FunnelRow; steps: Step[] }) {
  const first = row.steps[0]?.count ?? 0;
  return (
    <ol class="funnel" aria-label="Steps of the funnel">
      {row.steps.map((s, i) => (
        <li key={i}>
          <div class="funnel-name"><span class="muted">{i + 1}</span> {stepName(steps[i] as Step)}</div>
          <div class="funnel-track" aria-hidden="true"><span class="funnel-bar" style={{ width: `${first ? (s.count / first) * 100 : 0}%` }} /></div>
          <div class="funnel-number"><b title={whole(s.count)}>{number(s.count)}</b> <span>{number(s.conversion_rate, 'percent')}</span></div>
          <div class="funnel-lost muted">{i ? `${number(s.step_conversion_rate, 'percent')} of step ${i}, ${number((row.steps[i - 1]?.count ?? 0) - s.count)} lost` : 'entered'}</div>
        </li>
      ))}
    </ol>
  );
}
function Broken({ rows, field, steps }: { rows: FunnelRow[]; field: string; steps: Step[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="By value">
      <table class="grid">
        <thead><tr><th scope="col">{FIELDS.find(([v]) => v === field)?.[1]}</th>{steps.map((s, i) => <th key={i} scope="col" class="right">{stepName(s)}</th>)}<th scope="col" class="right">Converted</th></tr></thead>
        <tbody>{rows.map((r) => <tr key={r.dimensions?.[0]}><th scope="row">{name(field, r.dimensions?.[0] ?? '')}</th>{r.steps.map((s, i) => <td key={i} class="right">{number(s.count)}</td>)}<td class="right">{number(r.steps.at(-1)?.conversion_rate, 'percent')}</td></tr>)}</tbody>
      </table>
    </div>
  );
}
export function FunnelPage({ project }: { project: ProjectOf }) {
  const steps = params('s').map(stepOf).filter((s) => s !== null), field = chosen('by', FIELDS);
  const question = {
    report: 'funnel', date_range: rangeOf(), filters: filters.value, steps: steps.map((s): { filters: Filter[] } => ({ filters: stepFilters(s) })),
    window: Number(chosen('window', WINDOWS, '86400')), order: chosen('order', ORDERS), count_by: chosen('of', COUNTS),
  };
  const isAsked = steps.length >= 2;
  const whole_ = useLoad(JSON.stringify([project.id, question]), async (signal) => (isAsked ? (await report<FunnelRow>(project.id, question, signal)).results[0] : undefined));
  const broken = useLoad(JSON.stringify([project.id, question, field]), async (signal) => (isAsked && field ? (await report<FunnelRow>(project.id, { ...question, dimensions: [field] }, signal)).results.slice(0, BREAKDOWN_ROWS) : []));
  const row = whole_.value, error = whole_.error || broken.error;
  return (
    <>
      <h1 class="hidden">Funnel of {project.name}</h1>
      <section class="card" aria-label="The funnel's steps"><h2>Funnel</h2><Builder project={project} /></section>
      {!isAsked && <p class="card muted">Name two steps or more: what somebody does first, and what you hope for.</p>}
      {isAsked && (
        <section class="card" aria-label="The funnel" aria-busy={whole_.isLoading || broken.isLoading}>
          {error && <Failure text={error} retry={whole_.error ? whole_.retry : broken.retry} />}
          {row && row.steps.length === steps.length && <Bars row={row} steps={steps} />}
          {row && <p class="muted">From the first to the last step: {number(row.seconds_to_convert.median, 'seconds')} in the median, {number(row.seconds_to_convert.mean, 'seconds')} on average.</p>}
          {field && broken.value && broken.value.every((r) => r.steps.length === steps.length) && <Broken rows={broken.value} field={field} steps={steps} />}
        </section>
      )}
      {isAsked && <SqlButton project={project} of={[{ text: 'Funnel', question }, ...(field ? [{ text: 'By value', question: { ...question, dimensions: [field] } }] : [])]} />}
    </>
  );
}
