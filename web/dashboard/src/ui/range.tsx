// The range that is looked at, and what it is compared with: both in the address.
import { useState } from 'preact/hooks';
import type { Question } from '../api.ts';
import { go, page, param, projectId, withParams } from '../location.ts';
import { imported } from '../session.ts';
import { Menu } from './parts.tsx';

export const RANGES = [['day', 'Today'], ['24h', 'Last 24 hours'], ['7d', 'Last 7 days'], ['28d', 'Last 28 days'], ['30d', 'Last 30 days'], ['91d', 'Last 91 days'], ['month', 'This month'], ['6mo', 'Last 6 months'], ['12mo', 'Last 12 months'], ['year', 'This year'], ['all', 'All time']] as const;
const DEFAULT = '28d', DEFAULT_OF: Record<string, string> = { retention: '91d' };
const usual = (): string => DEFAULT_OF[page.value] ?? DEFAULT;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DAY_MS = 86400000;

export function rangeOf(): string | [string, string] {
  const [first = '', last = ''] = (param('range') ?? usual()).split('..');
  if (DATE.test(first) && DATE.test(last) && first <= last) return [first, last];
  return RANGES.some(([r]) => r === first) ? first : usual();
}
export const compare = (): 'previous_period' | 'year_over_year' | null => {
  if (rangeOf() === 'all') return null;
  const asked = param('compare');
  return asked === 'none' ? null : asked === 'year_over_year' ? asked : 'previous_period';
};
export const comparison = (): NonNullable<Question['include']> => { const c = compare(); return c ? { compare: c } : {}; };
/** Whether what another product counted is added, for the days before the first event: unless the address says no. */
const withImports = (): boolean => (imported.value[projectId.value] ?? false) && param('imports') !== 'no';
export const imports = (): NonNullable<Question['include']> => (withImports() ? { imports: 'where_known' } : {});
export function ImportsButton() {
  if (!imported.value[projectId.value]) return null;
  const isOn = withImports();
  return <button type="button" class="button" aria-pressed={isOn} title="What another product counted, for the days before the first event" onClick={() => go(withParams({ imports: isOn ? 'no' : null }))}>Imported data</button>;
}
/** What a point of the chart is. */
export function unitOf(): string {
  const range = rangeOf();
  if (Array.isArray(range)) {
    const days = (Date.parse(range[1]) - Date.parse(range[0])) / DAY_MS;
    return days < 2 ? 'hour' : days < 120 ? 'day' : days < 800 ? 'week' : 'month';
  }
  return range === 'day' || range === '24h' ? 'hour' : ['6mo', 'year'].includes(range) ? 'week' : ['12mo', 'all'].includes(range) ? 'month' : 'day';
}
export const rangeText = (range: string | [string, string]): string => (Array.isArray(range) ? `${range[0]} – ${range[1]}` : (RANGES.find(([r]) => r === range)?.[1] ?? range));

export const setRange = (range: string): void => go(withParams({ range: range === usual() ? null : range }));
export const setCompare = (to: string): void => go(withParams({ compare: to === 'previous_period' ? null : to }));
function Custom({ close }: { close: () => void }) {
  const range = rangeOf(), [first, setFirst] = useState(Array.isArray(range) ? range[0] : ''), [last, setLast] = useState(Array.isArray(range) ? range[1] : '');
  const isGood = DATE.test(first) && DATE.test(last) && first <= last;
  const submit = (e: Event): void => {
    e.preventDefault();
    if (!isGood) return;
    go(withParams({ range: `${first}..${last}` }));
    close();
  };
  return (
    <form class="menu-form" onSubmit={submit}>
      <label>From<input type="date" value={first} onInput={(e) => setFirst(e.currentTarget.value)} /></label>
      <label>To<input type="date" value={last} min={first} onInput={(e) => setLast(e.currentTarget.value)} /></label>
      <button class="button" disabled={!isGood}>Show</button>
    </form>
  );
}
export function RangeMenu() {
  const range = rangeOf();
  return (
    <Menu label={`Range: ${rangeText(range)}`} text={rangeText(range)}>
      {(close) => (
        <>
          {RANGES.map(([r, text]) => <button key={r} type="button" aria-current={r === range} onClick={() => { setRange(r); close(); }}>{text}</button>)}
          <Custom close={close} />
        </>
      )}
    </Menu>
  );
}
export const COMPARE = [['previous_period', 'Previous period'], ['year_over_year', 'Year before'], ['none', 'No comparison']] as const;
export function CompareMenu() {
  const now = compare() ?? 'none', text = COMPARE.find(([c]) => c === now)?.[1] ?? '';
  return (
    <Menu label={`Compared with: ${text}`} text={text}>
      {(close) => COMPARE.map(([c, t]) => <button key={c} type="button" aria-current={c === now} onClick={() => { setCompare(c); close(); }}>{t}</button>)}
    </Menu>
  );
}
