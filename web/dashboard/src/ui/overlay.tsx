// What lies over a page: the palette of commands, the list of keys, shared links; and the keys that work everywhere. Each is
// loaded when it is first opened.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { ComponentType } from 'preact';
import { useLoad } from '../load.ts';
import { go, kept, page, pathTo, setFilters, withParams } from '../location.ts';
import { mayOpen, PAGES, type PageInfo } from '../pages.ts';
import { project, type ProjectOf } from '../session.ts';
import { setRange } from './range.tsx';
import { nextTheme, theme } from './theme.tsx';

type Overlay = 'palette' | 'keys' | 'share';
export const overlay = signal<Overlay | null>(null);
const LOAD: Record<Overlay, () => Promise<ComponentType<{ project: ProjectOf; onClose: () => void }>>> = {
  palette: () => import('./palette.tsx').then((m) => m.Palette),
  keys: () => import('./palette.tsx').then((m) => m.KeyList),
  share: () => import('./share.tsx').then((m) => m.ShareDialog),
};

// ---- keys ----
export const isMac = /Mac|iP(hone|ad)/.test(navigator.platform);
const KEY = 'weir.keys';
const stored = (): boolean => { try { return localStorage.getItem(KEY) !== 'off'; } catch { return true; } };
/** Whether keys work alone, without Ctrl (WCAG 2.1.4: they can be turned off). */
export const areKeysOn = signal(stored());
export function setKeys(on: boolean): void {
  areKeysOn.value = on;
  try { localStorage.setItem(KEY, on ? 'on' : 'off'); } catch { /* it lasts as long as the page */ }
}
/** "g" and then one of these. */
export const PAGE_KEYS: Record<string, string> = { o: 'overview', l: 'live', e: 'events', u: 'users', f: 'funnel', r: 'retention', p: 'paths', g: 'goals', m: 'revenue', v: 'vitals', s: 'segments', c: 'cohorts', a: 'annotations', i: 'ingestion', t: 'settings' };
const infoOf = (id: string | undefined): PageInfo | undefined => PAGES.find((p) => p.id === id);
export interface Action { key: string; text: string; run: (of: ProjectOf) => void }
const ranged = (range: string): (() => void) => () => { if (infoOf(page.value)?.tools !== 'none') setRange(range); };
export const ACTIONS: readonly Action[] = [
  { key: 'd', text: 'Today', run: ranged('day') }, { key: 'w', text: 'Last 7 days', run: ranged('7d') }, { key: 'm', text: 'Last 30 days', run: ranged('30d') },
  { key: 'y', text: 'Last 12 months', run: ranged('12mo') }, { key: 'a', text: 'All time', run: ranged('all') },
  { key: 'c', text: 'Compare, or do not', run: () => { if (infoOf(page.value)?.tools === 'compare') go(withParams({ compare: new URL(location.href).searchParams.get('compare') === 'none' ? null : 'none' })); } },
  { key: 'x', text: 'Remove all filters', run: () => setFilters([]) },
  { key: 't', text: 'Other colours', run: () => { theme.value = nextTheme(); } },
  { key: '?', text: 'This list', run: () => { overlay.value = 'keys'; } },
];
export function openPage(of: ProjectOf, info: PageInfo): void {
  go(pathTo(of.id, info.id) + (info.tools === 'none' ? '' : kept()));
  document.getElementById('main')?.focus();
}
let isGoing = false; // "g" was the last key
/** What was typed for the palette before it was there. */
export const early = { text: '' };
function press(e: KeyboardEvent, of: ProjectOf): void {
  const isCommand = (isMac ? e.metaKey : e.ctrlKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === 'k';
  if (isCommand) {
    e.preventDefault();
    if (document.querySelector('dialog[open]') || overlay.value) return;
    early.text = '';
    overlay.value = 'palette';
    return;
  }
  if (overlay.value && !document.querySelector('dialog[open]')) { // it is on its way
    if (overlay.value !== 'palette' || e.ctrlKey || e.metaKey || e.altKey || e.key.length !== 1) return;
    e.preventDefault();
    early.text += e.key;
    return;
  }
  const target = e.target as HTMLElement, isWriting = target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  if (!areKeysOn.value || e.ctrlKey || e.metaKey || e.altKey || e.repeat || isWriting || document.querySelector('dialog[open], .menu-list')) return;
  const wasGoing = isGoing, info = infoOf(PAGE_KEYS[e.key]);
  isGoing = e.key === 'g' && !wasGoing;
  if (isGoing) return;
  if (wasGoing) { if (info && mayOpen(of, info)) openPage(of, info); return; }
  ACTIONS.find((a) => a.key === e.key)?.run(of);
}
export function Overlays() {
  const is = overlay.value, of = project.value, { value: Shown } = useLoad(is ?? '', () => (is ? LOAD[is]() : Promise.resolve(null)));
  useEffect(() => {
    if (!of) return;
    const down = (e: KeyboardEvent): void => press(e, of);
    document.addEventListener('keydown', down);
    return () => document.removeEventListener('keydown', down);
  }, [of]);
  const close = (): void => { overlay.value = null; };
  return is && of && Shown ? <Shown key={is} project={of} onClose={close} /> : null;
}
