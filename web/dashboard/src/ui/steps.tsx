// What a step of a funnel, a cohort's beginning, a path's end is: an event by its name or a page by its path. In the address
// it is "event~signup" or "page~/pricing".
import { useId } from 'preact/hooks';
import { ask, type Filter } from '../api.ts';
import { useLoad } from '../load.ts';
import { param } from '../location.ts';
import { TextField } from './parts.tsx';

export interface Step { kind: 'event' | 'page'; value: string }
export const stepText = ({ kind, value }: Step): string => `${kind}~${value}`;
export function stepOf(text: string): Step | null {
  const at = text.indexOf('~'), kind = text.slice(0, at), value = text.slice(at + 1);
  return (kind === 'event' || kind === 'page') && value ? { kind, value } : null;
}
export const stepFilters = ({ kind, value }: Step): Filter[] => (kind === 'event' ? [['is', 'event', [value]]] : [['is', 'event', ['pageview']], ['is', 'page', [value]]]);
export const stepName = ({ kind, value }: Step): string => (kind === 'event' && value === 'pageview' ? 'Any page' : value);

/** Names to choose from: those that happened most lately. */
export function useNames(project: string): Record<Step['kind'], string[]> {
  const list = (field: string) => async (signal: AbortSignal): Promise<string[]> => (await ask(project, { metrics: ['events'], date_range: '91d', dimensions: [field], filters: field === 'page' ? [['is', 'event', ['pageview']]] : [], limit: 100 }, signal)).results.map((r) => r.dimensions[0] ?? '').filter(Boolean);
  return { event: useLoad(`${project} event`, list('event')).value ?? [], page: useLoad(`${project} page`, list('page')).value ?? [] };
}
export function StepInput({ value, names, label, onChange }: { value: Step; names: Record<Step['kind'], string[]>; label: string; onChange: (step: Step) => void }) {
  const id = useId();
  return (
    <span class="step-input">
      <select aria-label={`${label}: event or page`} value={value.kind} onChange={(e) => onChange({ kind: e.currentTarget.value === 'page' ? 'page' : 'event', value: '' })}>
        <option value="event">Event</option>
        <option value="page">Page</option>
      </select>
      <TextField aria-label={label} list={id} value={value.value} placeholder={value.kind === 'page' ? '/pricing' : 'signup'} onDone={(text) => onChange({ ...value, value: text })} />
      <datalist id={id}>{names[value.kind].map((n) => <option key={n} value={n} />)}</datalist>
    </span>
  );
}
/** What a parameter of the address says, out of these; the first one, or `usual`, if it says nothing of the kind. */
export const chosen = <T extends string>(name: string, all: readonly (readonly [T, string])[], usual?: T): T => all.find(([v]) => v === param(name))?.[0] ?? usual ?? (all[0] as readonly [T, string])[0];
export const COUNTS = [['visitors', 'Visitors'], ['users', 'Users']] as const;
export function Choice({ label, all, value, onChoose }: { label: string; all: readonly (readonly [string, string])[]; value: string; onChoose: (value: string) => void }) {
  return <label class="choice">{label}<select value={value} onChange={(e) => onChoose(e.currentTarget.value)}>{all.map(([v, text]) => <option key={v} value={v}>{text}</option>)}</select></label>;
}
