// Filters built by hand: rows of field, operator, values; what is more than that is written as JSON.
import { useId, useState } from 'preact/hooks';
import { ask, type Filter } from '../api.ts';
import { name } from '../format.ts';
import { useLoad } from '../load.ts';
import type { ProjectOf } from '../session.ts';
import { FIELD_GROUPS, fieldOf, fieldText } from './fields.ts';

const OPERATORS = [['is', 'is'], ['is_not', 'is not'], ['contains', 'contains'], ['contains_not', 'does not contain'], ['matches', 'matches'], ['matches_not', 'does not match'], ['greater', 'is more than'], ['less', 'is less than']] as const;
const NUMERIC = ['greater', 'greater_or_equal', 'less', 'less_or_equal'];
/** A stored list of filters, or the JSON that somebody is writing. */
export type Filters = unknown[] | string;

const isSimple = (f: unknown): f is Filter => Array.isArray(f) && f.length === 3 && OPERATORS.some(([o]) => o === f[0]) && typeof f[1] === 'string' && Array.isArray(f[2]) && f[2].every((v) => typeof v === 'string' || typeof v === 'number');
const asRows = (filters: Filters): Filter[] | null => (Array.isArray(filters) && filters.every(isSimple) ? filters : null);
/** As the API takes it; throws as the API would where it is no JSON. `at`: the member it is of. */
export function filtersOf(filters: Filters, at = 'filters'): unknown[] {
  let all: unknown = filters;
  try { if (typeof filters === 'string') all = JSON.parse(filters); } catch (e) { throw new Error(`/${at}: this is no JSON: ${e instanceof Error ? e.message : ''}`); }
  if (!Array.isArray(all)) throw new Error(`/${at}: give a list of filters: [["is", "country", ["DE"]]]`);
  return all.filter((f) => !isSimple(f) || f[2].length > 0).map((f: unknown) => (isSimple(f) && NUMERIC.includes(f[0]) ? [f[0], f[1], f[2].map(Number)] : f));
}
const wordOf = (operator: string): string => OPERATORS.find(([o]) => o === operator)?.[1] ?? operator.replace(/_/g, ' ');
/** "Country is Germany, Austria and Page contains /docs" */
export const filtersText = (filters: unknown[]): string => filters.map((f) => (isSimple(f) ? `${f[1] === 'event' ? 'Event' : fieldText(f[1])} ${wordOf(f[0])} ${f[2].map((v) => name(f[1], String(v))).join(', ')}` : JSON.stringify(f))).join(' and ');

const WRITTEN = 'other';
function FieldSelect({ value, label, isInvalid, onChange }: { value: string; label: string; isInvalid: boolean; onChange: (field: string) => void }) {
  const isListed = value === 'event' || FIELD_GROUPS.some(([, fields]) => fields.some(([f]) => f === value));
  return (
    <>
      <select aria-label={`${label}: field`} aria-invalid={isInvalid} value={isListed ? value : WRITTEN} onChange={(e) => onChange(e.currentTarget.value === WRITTEN ? 'property:' : e.currentTarget.value)}>
        <option value="event">Event</option>
        <option value={WRITTEN}>Property …</option>
        {FIELD_GROUPS.map(([group, fields]) => <optgroup key={group} label={group}>{fields.map(([f, text]) => <option key={f} value={f}>{text}</option>)}</optgroup>)}
      </select>
      {!isListed && <input type="text" aria-label={`${label}: name of the property`} placeholder="plan" value={value.replace(/^property:/, '')} onChange={(e) => onChange(fieldOf(e.currentTarget.value.trim()))} />}
    </>
  );
}
/** One value after the other; a value is done with Enter, or when something else is clicked. */
function Values({ project, field, values, label, onChange }: { project: ProjectOf; field: string; values: (string | number)[]; label: string; onChange: (values: string[]) => void }) {
  const id = useId(), [text, setText] = useState(''), all = values.map(String);
  const known = useLoad(`${project.id} ${field}`, async (signal) => (field === 'property:' ? [] : (await ask(project.id, { metrics: ['events'], date_range: '91d', dimensions: [field], limit: 50 }, signal)).results.map((r) => r.dimensions[0] ?? '').filter(Boolean)));
  const add = (): void => {
    if (text.trim() && !all.includes(text.trim())) onChange([...all, text.trim()]);
    setText('');
  };
  return (
    <span class="values">
      {all.map((v) => <span key={v} class="chip">{name(field, v)}<button type="button" aria-label={`Remove ${name(field, v)}`} onClick={() => onChange(all.filter((x) => x !== v))}>×</button></span>)}
      <input type="text" aria-label={`${label}: a value`} list={id} placeholder={all.length ? 'or …' : 'a value'} value={text} onInput={(e) => setText(e.currentTarget.value)} onBlur={add} onKeyDown={(e) => { if (e.key === 'Enter') { e.preventDefault(); add(); } }} />
      <datalist id={id}>{known.value?.map((v) => <option key={v} value={v} />)}</datalist>
    </span>
  );
}
export function FilterEditor({ project, value, label = 'Filter', isInvalid = false, onChange }: { project: ProjectOf; value: Filters; label?: string; isInvalid?: boolean; onChange: (filters: Filters) => void }) {
  const rows = asRows(value);
  if (!rows) {
    const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
    let parsed: unknown;
    try { parsed = JSON.parse(text); } catch { /* being written */ }
    return (
      <>
        <textarea class="code-input" aria-label={`${label}: as JSON`} aria-invalid={isInvalid} rows={6} spellcheck={false} value={text} onInput={(e) => onChange(e.currentTarget.value)} />
        {Array.isArray(parsed) && asRows(parsed) && <div><button type="button" class="link" onClick={() => onChange(parsed as unknown[])}>As a form</button></div>}
      </>
    );
  }
  const set = (at: number, row: Filter | null): void => onChange(rows.flatMap((r, i) => (i === at ? (row ? [row] : []) : [r])));
  return (
    <div class="filter-rows">
      {rows.map((row, i) => (
        <div key={i} class="filter-row">
          <FieldSelect value={row[1]} label={`${label} ${i + 1}`} isInvalid={isInvalid} onChange={(field) => set(i, [row[0], field, field === row[1] ? row[2] : []])} />
          <select aria-label={`${label} ${i + 1}: how`} value={row[0]} onChange={(e) => set(i, [e.currentTarget.value, row[1], row[2]])}>{OPERATORS.map(([o, text]) => <option key={o} value={o}>{text}</option>)}</select>
          <Values key={row[1]} project={project} field={row[1]} values={row[2]} label={`${label} ${i + 1}`} onChange={(values) => set(i, [row[0], row[1], values])} />
          <button type="button" class="button quiet" aria-label={`Remove ${label.toLowerCase()} ${i + 1}`} onClick={() => set(i, null)}>×</button>
        </div>
      ))}
      <div class="form-end">
        <button type="button" class="button" aria-invalid={isInvalid && !rows.length} onClick={() => onChange([...rows, ['is', rows.length ? 'country' : 'event', []]])}>Add a filter</button>
        <button type="button" class="link" onClick={() => onChange(JSON.stringify(rows, null, 2))}>As JSON</button>
      </div>
    </div>
  );
}
