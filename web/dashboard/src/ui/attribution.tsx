// To which visits conversions, or what they brought, are owed: each model a column.
import { report, type AttributionRow, type Filter, type Question } from '../api.ts';
import { name, number, whole, type Unit } from '../format.ts';
import { useLoad } from '../load.ts';
import { go, isFiltered, toggleFilter, withParams } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Failure } from './parts.tsx';
import { Choice, chosen } from './steps.tsx';

const MODELS = [
  ['first_touch', 'First touch', 'all to the first visit'],
  ['last_touch', 'Last touch', 'all to the last visit'],
  ['last_non_direct', 'Last non-direct', 'all to the last visit that came from somewhere'],
  ['linear', 'Linear', 'the same to each visit'],
  ['position_based', 'Position-based', '40 % to the first and to the last, the rest shared by those between'],
  ['time_decay', 'Time decay', 'half as much for every seven days earlier'],
] as const;
const FIELDS = [['source', 'Source'], ['channel', 'Channel'], ['referrer', 'Referrer'], ['utm_campaign', 'Campaign'], ['entry_page', 'Entry page'], ['country', 'Country']] as const;
const LOOKBACKS = [['2592000', '30 days'], ['604800', '7 days'], ['7776000', '90 days']] as const;
const ROWS = 20;

/** `currency`: what is shown is money; else conversions are. */
export function Attribution({ project, question, goal, currency }: { project: ProjectOf; question: Pick<Question, 'date_range' | 'filters'>; goal: Filter[] | { id: string }; currency?: string }) {
  const field = chosen('touch', FIELDS), lookback = chosen('lookback', LOOKBACKS), asked = { ...question, report: 'attribution', goal, dimensions: [field], lookback: Number(lookback), limit: ROWS };
  const { value, error, isLoading, retry } = useLoad(JSON.stringify([project.id, asked]), (signal) => report<AttributionRow>(project.id, asked, signal));
  const unit: Unit = currency ? `money:${currency}` : 'ratio';
  const of = (r: AttributionRow, model: (typeof MODELS)[number][0]): number => (currency ? (r.models[model]?.revenue[currency] ?? 0) : (r.models[model]?.conversions ?? 0));
  const most = Math.max(0, ...(value?.results ?? []).flatMap((r) => MODELS.map(([m]) => of(r, m))));
  return (
    <section class="card tall" aria-label="Attribution" aria-busy={isLoading}>
      <header class="head">
        <h2>Attribution</h2>
        <div class="head-end">
          <Choice label="Visits by" all={FIELDS} value={field} onChoose={(v) => go(withParams({ touch: v === 'source' ? null : v }))} />
          <Choice label="Looking back" all={LOOKBACKS} value={lookback} onChoose={(v) => go(withParams({ lookback: v === LOOKBACKS[0][0] ? null : v }))} />
        </div>
      </header>
      {error && <Failure text={error} retry={retry} />}
      {value && (value.results.length === 0 ? <p class="muted">Nothing to attribute in this range.</p> : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Attribution by model">
          <table class="grid wide-first">
            <thead><tr><th scope="col">{FIELDS.find(([f]) => f === field)?.[1]}</th>{MODELS.map(([m, text, says]) => <th key={m} scope="col" class="right" title={says}>{text}</th>)}</tr></thead>
            <tbody>
              {value.results.map((r) => {
                const raw = r.dimensions[0] ?? '';
                return (
                  <tr key={raw}>
                    <th scope="row"><button type="button" class="row-name" title={name(field, raw)} aria-pressed={isFiltered(field, raw)} onClick={() => toggleFilter(field, raw)}>{name(field, raw)}</button></th>
                    {MODELS.map(([m]) => <td key={m} class="heat" style={{ '--heat': `${Math.round(most > 0 ? Math.max(0, of(r, m) / most) * 32 : 0)}%` }} title={whole(of(r, m), unit)}>{number(of(r, m), unit)}</td>)}
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      ))}
      <details><summary>What the models mean</summary><dl class="pairs models">{MODELS.map(([m, text, says]) => <div key={m}><dt>{text}</dt><dd>{says}</dd></div>)}</dl></details>
    </section>
  );
}
