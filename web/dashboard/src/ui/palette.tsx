// The palette of commands (Ctrl+K): pages, projects, ranges, filters and what else can be done, found by typing. A combobox with
// a list, as the ARIA Authoring Practices have it: the focus stays in the text, arrows choose.
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ask } from '../api.ts';
import { copyText } from '../copy.ts';
import { name } from '../format.ts';
import { useLoad } from '../load.ts';
import { filters, go, page, setFilters, toggleFilter } from '../location.ts';
import { mayOpen, PAGES } from '../pages.ts';
import { me, projects, signOut, type ProjectOf } from '../session.ts';
import { FIELD_GROUPS, fieldText } from './fields.ts';
import { filtersText } from './filter.tsx';
import { Dialog } from './form.tsx';
import { ACTIONS, areKeysOn, early, isMac, openPage, overlay, PAGE_KEYS, setKeys } from './overlay.tsx';
import { COMPARE, RANGES, rangeOf, setCompare, setRange } from './range.tsx';
import { NAMES, theme, type Theme } from './theme.tsx';

interface Command { group: string; text: string; keys?: string; run: () => void; stays?: boolean }
const keysOf = (id: string): string => { const key = Object.entries(PAGE_KEYS).find(([, p]) => p === id)?.[0]; return key ? `g ${key}` : ''; };
/** Each word is somewhere; those at whose beginning the first word stands come first. */
function found(all: Command[], text: string): Command[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return all;
  const rank = (c: Command): number => { const at = c.text.toLowerCase(); return at.startsWith(words[0] ?? '') ? 0 : at.includes(` ${words[0]}`) ? 1 : 2; };
  const fits = all.filter((c) => words.every((w) => `${c.text} ${c.group}`.toLowerCase().includes(w)));
  const best = new Map<string, number>();
  for (const c of fits) best.set(c.group, Math.min(best.get(c.group) ?? 9, rank(c)));
  return fits.map((c, i) => ({ c, i })).sort((a, b) => (best.get(a.c.group) ?? 9) - (best.get(b.c.group) ?? 9) || (a.c.group === b.c.group ? rank(a.c) - rank(b.c) : 0) || a.i - b.i).map(({ c }) => c);
}
function commandsOf(of: ProjectOf, chooseField: (field: string) => void): Command[] {
  const info = PAGES.find((p) => p.id === page.value), hasRange = info !== undefined && info.tools !== 'none', command = (group: string, text: string, run: () => void, more: Partial<Command> = {}): Command => ({ group, text, run, ...more });
  return [
    ...PAGES.filter((p) => p.group && mayOpen(of, p)).map((p) => command('Pages', p.text, () => openPage(of, p), { keys: keysOf(p.id) })),
    ...(hasRange ? RANGES.map(([r, text]) => command('Range', text, () => setRange(r))) : []),
    ...(info?.tools === 'compare' && rangeOf() !== 'all' ? COMPARE.map(([c, text]) => command('Comparison', text, () => setCompare(c))) : []),
    ...(hasRange ? [
      ...filters.value.map((f, i) => command('Filters', `Remove: ${filtersText([f])}`, () => setFilters(filters.value.filter((_f, n) => n !== i)))),
      ...(filters.value.length > 1 ? [command('Filters', 'Remove all filters', () => setFilters([]), { keys: 'x' })] : []),
      ...[['event', 'Event'] as const, ...FIELD_GROUPS.flatMap(([, fields]) => fields)].map(([field, text]) => command('Filters', `Filter by ${text.replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase())} …`, () => chooseField(field), { stays: true })),
    ] : []),
    ...projects.value.filter((p) => p.id !== of.id).map((p) => command('Projects', p.name, () => go(`/app/${p.id}/${page.value}`))),
    ...(of.permissions.includes('shares:write') ? [command('Actions', 'Share …', () => { overlay.value = 'share'; }, { stays: true })] : []),
    ...(Object.keys(NAMES) as Theme[]).filter((t) => t !== theme.value).map((t) => command('Actions', `Colours: ${NAMES[t].toLowerCase()}`, () => { theme.value = t; })),
    command('Actions', 'Copy the address of this view', () => void copyText(location.href)),
    command('Actions', 'Keys', () => { overlay.value = 'keys'; }, { stays: true, keys: '?' }),
    command('Actions', 'Profile', () => go(`/app/${of.id}/profile`)),
    command('Actions', `Sign out ${me.value?.user.email ?? ''}`, () => void signOut()),
  ];
}
const textOf = (field: string): string => (field === 'event' ? 'Event' : fieldText(field));

export function Palette({ project, onClose }: { project: ProjectOf; onClose: () => void }) {
  const [text, setText] = useState(early.text), [field, setField] = useState(''), [at, setAt] = useState(0), id = useId();
  const box = useRef<HTMLDialogElement>(null), input = useRef<HTMLInputElement>(null), list = useRef<HTMLDivElement>(null);
  const values = useLoad(`${project.id} ${field}`, async (signal) => (field ? (await ask(project.id, { metrics: ['visitors'], date_range: rangeOf(), filters: filters.value.filter(([, f]) => f !== field), dimensions: [field], limit: 200 }, signal)).results.map((r) => r.dimensions[0] ?? '') : []));
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    box.current?.showModal();
    input.current?.focus();
    return () => { if (before?.isConnected && !overlay.value) before.focus(); };
  }, []);
  const choose = (f: string): void => { setField(f); setText(''); setAt(0); input.current?.focus(); };
  const all = field ? (values.value ?? []).map((v): Command => ({ group: textOf(field), text: name(field, v), run: () => toggleFilter(field, v) })) : commandsOf(project, choose);
  const shown = found(all, text).slice(0, 60), groups = [...new Set(shown.map((c) => c.group))], now = Math.min(at, shown.length - 1);
  const ordered = groups.flatMap((g) => shown.filter((c) => c.group === g));
  useEffect(() => { list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' }); }, [now, text, field]);
  const run = (c: Command | undefined): void => {
    if (!c) return;
    if (!c.stays) onClose();
    c.run();
  };
  const key = (e: KeyboardEvent): void => {
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, PageDown: Math.min(now + 8, ordered.length - 1), PageUp: Math.max(now - 8, 0) }[e.key];
    if (to !== undefined && ordered.length) { e.preventDefault(); setAt((to + ordered.length) % ordered.length); }
    else if (e.key === 'Enter' && !e.isComposing) { e.preventDefault(); run(ordered[now]); }
    else if (e.key === 'Backspace' && !text && field) { e.preventDefault(); setField(''); setAt(0); }
  };
  return (
    <dialog ref={box} class="dialog palette" aria-label="Commands" onCancel={(e) => { e.preventDefault(); onClose(); }} onClick={(e) => { if (e.target === box.current) onClose(); }}>
      <div class="palette-body">
        <div class="palette-text">
          {field && <button type="button" class="button quiet" aria-label="Back to all commands" onClick={() => choose('')}>{textOf(field)} ×</button>}
          <input ref={input} type="text" role="combobox" aria-expanded="true" aria-autocomplete="list" aria-controls={`${id}list`} aria-activedescendant={ordered[now] ? `${id}${now}` : undefined} aria-label={field ? `Value of ${textOf(field)}` : 'Command'} placeholder={field ? 'Filter by which?' : 'Page, range, filter, project …'} autocomplete="off" spellcheck={false} value={text} onInput={(e) => { setText(e.currentTarget.value); setAt(0); }} onKeyDown={key} />
        </div>
        <div ref={list} id={`${id}list`} class="palette-list" role="listbox" aria-label={field ? textOf(field) : 'Commands'} aria-busy={field !== '' && values.isLoading}>
          {groups.map((g) => (
            <div key={g} role="group" aria-labelledby={`${id}${g}`}>
              <div id={`${id}${g}`} class="palette-group" role="presentation">{g}</div>
              {ordered.map((c, i) => c.group === g && <div key={i} id={`${id}${i}`} role="option" aria-selected={i === now} onPointerMove={() => { if (i !== now) setAt(i); }} onClick={() => run(c)}><span>{c.text}</span>{c.keys && areKeysOn.value && <kbd>{c.keys}</kbd>}</div>)}
            </div>
          ))}
        </div>
        <p class="palette-none muted" role="status">{ordered.length ? '' : values.error || (values.isLoading && field ? 'Loading …' : 'Nothing of that name.')}</p>
      </div>
    </dialog>
  );
}

export function KeyList({ project, onClose }: { project: ProjectOf; onClose: () => void }) {
  const pages = Object.entries(PAGE_KEYS).flatMap(([key, id]) => { const info = PAGES.find((p) => p.id === id); return info && mayOpen(project, info) ? [[`g ${key}`, info.text] as const] : []; });
  const lists = [['Everywhere', [[isMac ? '⌘ K' : 'Ctrl K', 'Commands'] as const, ...ACTIONS.map((a) => [a.key, a.text] as const)]], ['Pages', pages]] as const;
  return (
    <Dialog title="Keys" onClose={onClose}>
      <div class="keys">
        {lists.map(([title, all]) => (
          <section key={title} aria-label={title}>
            <h3>{title}</h3>
            <dl>{all.map(([keys, text]) => <div key={keys}><dt>{keys.split(' ').map((k) => <kbd key={k}>{k}</kbd>)}</dt><dd>{text}</dd></div>)}</dl>
          </section>
        ))}
      </div>
      <label class="keys-on"><input type="checkbox" checked={areKeysOn.value} onChange={(e) => setKeys(e.currentTarget.checked)} />Keys work alone, without {isMac ? '⌘' : 'Ctrl'}</label>
    </Dialog>
  );
}
