// What a project's people define once: a list of them, a form for one, and who may change them.
import type { ComponentChildren, ComponentType } from 'preact';
import { useState } from 'preact/hooks';
import { call, listed } from '../api.ts';
import { usePages } from '../load.ts';
import { go, param, withParams } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Confirm } from './form.tsx';
import { Table, type Column } from './table.tsx';

export interface Definition { id: string; version: number; created_at: string; updated_at: string }
export interface EditorOf<T> { project: ProjectOf; of: T | null; path: string; onDone: () => void; onClose: () => void }
export const mayDefine = (project: ProjectOf): boolean => project.permissions.includes('definitions:write');
/** A new one, or a change of that one as it was seen: who changed it meanwhile is not overwritten. */
export const save = (path: string, of: Definition | null, body: Record<string, unknown>): Promise<unknown> =>
  (of ? call('PATCH', `${path}/${of.id}`, body, undefined, { 'If-Match': `"${of.version}"` }) : call('POST', path, body));

type Open<T> = { what: 'edit' | 'remove'; of: T } | { what: 'new' };
/** `?new` opens the form of a new one; what else it begins with stands there as well. */
export function Definitions<T extends Definition>({ project, title, one, about, path, columns, nameOf, nothing, Editor, isNewInAddress = false, more, onChange, children }: {
  project: ProjectOf; title: string; one: string; about: ComponentChildren; path: string; columns: readonly Column<T>[]; nameOf: (of: T) => string; nothing: ComponentChildren;
  Editor: ComponentType<EditorOf<T>>; isNewInAddress?: boolean; more?: (of: T, again: () => void) => ComponentChildren; onChange?: () => void; children?: ComponentChildren;
}) {
  const all = usePages(path, listed<T>(path)), may = mayDefine(project), [opened, setOpen] = useState<Open<T> | null>(null);
  const open: Open<T> | null = opened ?? (isNewInAddress && may && param('new') !== null ? { what: 'new' } : null);
  const close = (): void => {
    setOpen(null);
    if (param('new') !== null) go(withParams({ new: null, f: null }), { replace: true });
  };
  const changed = (): void => { all.retry(); onChange?.(); };
  const done = (): void => { close(); changed(); };
  const actions: Column<T> = { text: 'Actions', isHidden: true, isNumber: true, cell: (d) => (
    <span class="acts">
      {more?.(d, all.retry)}
      {may && <button type="button" class="link" aria-label={`Change ${nameOf(d)}`} onClick={() => setOpen({ what: 'edit', of: d })}>Change</button>}
      {may && <button type="button" class="link bad" aria-label={`Remove ${nameOf(d)}`} onClick={() => setOpen({ what: 'remove', of: d })}>Remove</button>}
    </span>
  ) };
  return (
    <section class="card" aria-label={title}>
      <header class="card-head"><div><h2>{title}</h2><p class="muted">{about}</p></div>{may && <button type="button" class="button primary" onClick={() => setOpen({ what: 'new' })}>New {one}</button>}</header>
      <Table label={title} of={all} columns={[...columns, actions]} nothing={nothing} />
      {children}
      {open?.what === 'new' && <Editor project={project} of={null} path={path} onDone={done} onClose={close} />}
      {open?.what === 'edit' && <Editor project={project} of={open.of} path={path} onDone={done} onClose={close} />}
      {open?.what === 'remove' && <Confirm title={`Remove “${nameOf(open.of)}”?`} action="Remove" run={async () => { await call('DELETE', `${path}/${open.of.id}`); changed(); }} onClose={close}><p>What refers to it by its name or id fails from then on.</p></Confirm>}
    </section>
  );
}
