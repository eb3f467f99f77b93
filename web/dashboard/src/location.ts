// Where one is stands in the address: /app/{project}/{page}?range=…&compare=…&f=…, so that every view can be linked to and
// the browser's back button works.
import { computed, signal } from '@preact/signals';
import type { Filter } from './api.ts';

const address = signal(new URL(location.href));
addEventListener('popstate', () => { address.value = new URL(location.href); });

const parts = computed(() => address.value.pathname.replace(/^\/app\/?/, '').split('/').filter(Boolean));
/** By a shared link: /app/share/{link}/{page}. What it stands for is known when it is opened (ui/shared.tsx). */
export const sharedLink = computed(() => (parts.value[0] === 'share' ? (parts.value[1] ?? '') : ''));
export const shared = signal<{ project: string; pages: string[] } | null>(null);
export const isEmbed = computed(() => sharedLink.value !== '' && address.value.searchParams.get('embed') === '1');
export const projectId = computed(() => (sharedLink.value ? (shared.value?.project ?? '') : (parts.value[0] ?? '')));
export const page = computed(() => (sharedLink.value ? (parts.value[2] ?? shared.value?.pages[0] ?? '') : (parts.value[1] ?? 'overview')));
/** The address of a page of the project, without parameters. */
export const pathTo = (project: string, id: string): string => (sharedLink.value ? `/app/share/${sharedLink.value}/${id}` : `/app/${project}/${id}`);
export const params = (name: string): string[] => address.value.searchParams.getAll(name);
export const param = (name: string): string | null => address.value.searchParams.get(name);

export function go(to: string, { replace = false } = {}): void {
  const url = new URL(to, location.href);
  if (url.href === location.href) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', url);
  address.value = url;
}
/** What goes along to another page: the range and the filters. */
export function kept(): string {
  const all = new URLSearchParams([...address.value.searchParams].filter(([name]) => ['range', 'f', ...(sharedLink.value ? ['embed', 'theme'] : [])].includes(name)));
  return all.size ? `?${all}` : '';
}
/** The address with other parameters; null takes one away. */
export function withParams(changes: Record<string, string | string[] | null>): string {
  const url = new URL(address.value);
  for (const [name, value] of Object.entries(changes)) {
    url.searchParams.delete(name);
    for (const one of value === null ? [] : [value].flat()) url.searchParams.append(name, one);
  }
  return url.pathname + url.search;
}

// ---- filters: f=operator~field~value~value, each part percent-encoded where it has a "~" or a "%" ----
const encode = (text: string): string => text.replace(/[%~]/g, (c) => encodeURIComponent(c).replace('~', '%7E'));
const decode = (text: string): string => { try { return decodeURIComponent(text.replace(/%(?!25|7E)/g, '%25')); } catch { return text; } };
export const filterText = ([operator, field, values]: Filter): string => [operator, field, ...values].map(encode).join('~');
export function filterOf(text: string): Filter | null {
  const [operator, field, ...values] = text.split('~').map(decode);
  return operator && field && values.length ? [operator, field, values] : null;
}
export const filters = computed<Filter[]>(() => address.value.searchParams.getAll('f').map(filterOf).filter((f) => f !== null));
export const setFilters = (all: Filter[]): void => go(withParams({ f: all.map(filterText) }));
/** Whether a filter says that this field is this value, or one of some. */
export const isFiltered = (field: string, value: string): boolean => filters.value.some(([o, f, v]) => o === 'is' && f === field && v.includes(value));
export function toggleFilter(field: string, value: string): void {
  const rest = filters.value.filter(([, f]) => f !== field), there = filters.value.find(([o, f, v]) => o === 'is' && f === field && v.length === 1 && v[0] === value);
  setFilters(there ? rest : [...rest, ['is', field, [value]]]);
}
