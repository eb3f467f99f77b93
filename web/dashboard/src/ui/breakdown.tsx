// What a question is about, broken down by any dimension or property. In the address: by=property%3Aplan.
import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import { report, type PropertyRow, type Question } from '../api.ts';
import { number } from '../format.ts';
import { useLoad } from '../load.ts';
import { go, param, withParams } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { FIELD_GROUPS, fieldOf, fieldText, isField, propertyField } from './fields.ts';
import { BarTable, useAnswer, valueRow, type Metric } from './numbers.tsx';
import { Failure, TextField } from './parts.tsx';

/** All of a question but what is counted and by what. */
export type Asked = Pick<Question, 'date_range' | 'filters' | 'goal'>;
const ROWS = 12, ROWS_MORE = 500, PROPERTIES = 200, USUAL = 'source';

const OTHER = 'other';
function FieldChoice({ field, seen }: { field: string; seen: string[] }) {
  const isListed = field.startsWith('property:') ? seen.includes(field) : FIELD_GROUPS.some(([, fields]) => fields.some(([f]) => f === field));
  const [isWriting, setWriting] = useState(false), id = useId();
  const isWritten = isWriting || !isListed;
  const set = (value: string): void => {
    setWriting(value === OTHER);
    if (value !== OTHER) go(withParams({ by: value, rows: null }));
  };
  return (
    <div class="head-end">
      <label class="choice">By
        <select value={isWritten ? OTHER : field} onChange={(e) => set(e.currentTarget.value)}>
          {seen.length > 0 && <optgroup label="Properties">{seen.map((f) => <option key={f} value={f}>{fieldText(f)}</option>)}</optgroup>}
          {FIELD_GROUPS.map(([group, fields]) => <optgroup key={group} label={group}>{fields.map(([f, text]) => <option key={f} value={f}>{text}</option>)}</optgroup>)}
          <option value={OTHER}>Another property …</option>
        </select>
      </label>
      {isWritten && <TextField aria-label="Name of the property" list={id} placeholder="cart.items" value={isListed ? '' : fieldText(field)} onDone={(text) => text && set(fieldOf(text))} />}
      {isWritten && <datalist id={id}>{seen.map((f) => <option key={f} value={fieldText(f)} />)}</datalist>}
    </div>
  );
}
function Values({ project, question, columns, field }: { project: ProjectOf; question: Asked; columns: readonly Metric[]; field: string }) {
  const isMore = param('rows') === 'more';
  const { value, error, isLoading, retry } = useAnswer(project, { ...question, metrics: columns.map((c) => c.id), dimensions: [field], limit: isMore ? ROWS_MORE : ROWS, include: { total_rows: true } });
  const total = value?.meta.total_rows ?? 0;
  return (
    <>
      {error && <Failure text={error} retry={retry} />}
      <BarTable head={[fieldText(field), ...columns.map((c, i) => (i > 1 ? `${c.text}|wide` : c.text))]} rows={value?.results.map((r) => valueRow(field, r, columns.map((c) => c.unit)))} isLoading={isLoading} empty="Nothing in this range." />
      {total > ROWS && !isMore && <button type="button" class="button" onClick={() => go(withParams({ rows: 'more' }))}>Show more of the {number(total)} values</button>}
    </>
  );
}
/** Properties that the events of a question have, those that most have first; undefined: not known yet. */
export function useProperties(project: ProjectOf, question: Asked): string[] | undefined {
  const { value, error } = useLoad(JSON.stringify([project.id, question]), (signal) => report<PropertyRow>(project.id, { ...question, report: 'properties', limit: PROPERTIES }, signal));
  return value?.results.map((r) => propertyField(r.property)) ?? (error ? [] : undefined);
}
/** By what the address says, else by `usual`, else by the first of `seen`, properties to choose from. `children`: what else there is of a field. */
export function Breakdown({ project, question, columns, seen, usual, children }: { project: ProjectOf; question: Asked; columns: readonly Metric[]; seen: string[] | undefined; usual?: string; children?: (field: string) => ComponentChildren }) {
  const asked = param('by') ?? '', field = isField(asked) ? asked : (usual ?? (seen && (seen[0] ?? USUAL)));
  return (
    <section class="card tall" aria-label="Breakdown" aria-busy={!field}>
      <header class="head"><h2>Breakdown</h2>{field && <FieldChoice key={field} field={field} seen={seen ?? []} />}</header>
      {field && children?.(field)}
      {field && <Values key={field} project={project} question={question} columns={columns} field={field} />}
    </section>
  );
}
