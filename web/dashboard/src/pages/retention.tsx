import { report, type RetentionRow } from '../api.ts';
import { bucket, number, whole } from '../format.ts';
import { useLoad } from '../load.ts';
import { filters, go, param, withParams } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Failure } from '../ui/parts.tsx';
import { rangeOf } from '../ui/range.tsx';
import { SqlButton } from '../ui/sql.tsx';
import { Choice, chosen, COUNTS, StepInput, stepFilters, stepOf, stepText, useNames, type Step } from '../ui/steps.tsx';

const UNITS = [['week', 'Weeks'], ['day', 'Days'], ['month', 'Months']] as const;
const TYPES = [['first_time', 'who come for the first time'], ['recurring', 'who come at all']] as const;
const PERIODS = { day: 14, week: 12, month: 12 } as const;
const anyStep: Step = { kind: 'event', value: '' };

/** Of those who could have come back by then: the mean over cohorts, weighted by their size. */
export function mean(cohorts: RetentionRow[], period: number): number | null {
  const those = cohorts.filter((c) => c.returned.length > period), size = those.reduce((n, c) => n + c.size, 0);
  return size ? (those.reduce((n, c) => n + (c.returned[period] ?? 0), 0) / size) * 100 : null;
}
function Cell({ value, of }: { value: number | undefined; of: number }) {
  if (value === undefined) return <td />;
  if (!of) return <td />;
  const share = (value / of) * 100;
  return <td class="heat" style={{ '--heat': `${Math.round(Math.min(100, share) * 0.45)}%` }} title={`${whole(value)} of ${whole(of)}`}>{number(share, 'percent')}</td>;
}
/** Cohorts from before the first event say nothing. */
function Grid({ cohorts: all, unit }: { cohorts: RetentionRow[]; unit: keyof typeof PERIODS }) {
  const cohorts = all.slice(all.findIndex((c) => c.size));
  const width = Math.max(0, ...cohorts.map((c) => c.returned.length)), word = { day: 'Day', week: 'Week', month: 'Month' }[unit];
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Cohorts">
      <table class="grid">
        <thead><tr><th scope="col">{word}</th><th scope="col" class="right">Size</th>{Array.from({ length: width }, (_v, i) => <th key={i} scope="col" class="right">{`${word} ${i + 1}`}</th>)}</tr></thead>
        <tbody>
          <tr class="mean"><th scope="row">All</th><td class="right">{number(cohorts.reduce((n, c) => n + c.size, 0))}</td>{Array.from({ length: width }, (_v, i) => <td key={i} class="right">{number(mean(cohorts, i), 'percent')}</td>)}</tr>
          {cohorts.map((c) => <tr key={c.cohort}><th scope="row">{bucket(c.cohort)}</th><td class="right" title={whole(c.size)}>{number(c.size)}</td>{Array.from({ length: width }, (_v, i) => <Cell key={i} value={c.returned[i]} of={c.size} />)}</tr>)}
        </tbody>
      </table>
    </div>
  );
}
export function RetentionPage({ project }: { project: ProjectOf }) {
  const names = useNames(project.id), unit = chosen('unit', UNITS), start = stepOf(param('start') ?? ''), back = stepOf(param('return') ?? '');
  const question = {
    report: 'retention', date_range: rangeOf(), filters: filters.value, unit, type: chosen('type', TYPES), periods: PERIODS[unit],
    count_by: chosen('of', COUNTS), ...(start ? { start: stepFilters(start) } : {}), ...(back ? { return: stepFilters(back) } : {}),
  };
  const { value, error, isLoading, retry } = useLoad(JSON.stringify([project.id, question]), (signal) => report<RetentionRow>(project.id, question, signal));
  const set = (name: string) => (step: Step): void => go(withParams({ [name]: step.value ? stepText(step) : null }));
  return (
    <>
      <h1 class="hidden">Retention of {project.name}</h1>
      <section class="card" aria-label="What is counted">
        <h2>Retention</h2>
        <div class="choices">
          <Choice label="By" all={UNITS} value={unit} onChoose={(v) => go(withParams({ unit: v === 'week' ? null : v }))} />
          <Choice label="Of" all={COUNTS} value={chosen('of', COUNTS)} onChoose={(v) => go(withParams({ of: v === 'visitors' ? null : v }))} />
          <Choice label="Those" all={TYPES} value={chosen('type', TYPES)} onChoose={(v) => go(withParams({ type: v === 'first_time' ? null : v }))} />
          <span class="choice">and do<StepInput key={`s${param('start')}`} value={start ?? anyStep} names={names} label="The first event (any, if empty)" onChange={set('start')} /></span>
          <span class="choice">then<StepInput key={`r${param('return')}`} value={back ?? anyStep} names={names} label="The later event (any, if empty)" onChange={set('return')} /></span>
        </div>
      </section>
      <section class="card" aria-label="Retention" aria-busy={isLoading}>
        {error && <Failure text={error} retry={retry} />}
        {value && (value.results.some((c) => c.size) ? <Grid cohorts={value.results} unit={unit} /> : <p class="muted">Nobody in this range.</p>)}
      </section>
      <SqlButton project={project} of={[{ text: 'Retention', question }]} />
    </>
  );
}
