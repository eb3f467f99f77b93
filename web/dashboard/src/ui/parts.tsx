// Small pieces that every page is made of.
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { copyText } from '../copy.ts';
import { go } from '../location.ts';

export function Link({ to, children, ...more }: { to: string; children: ComponentChildren; class?: string; title?: string | undefined; 'aria-label'?: string; 'aria-current'?: 'page' | undefined }) {
  const click = (e: MouseEvent): void => {
    if (e.metaKey || e.ctrlKey || e.shiftKey || e.button) return;
    e.preventDefault();
    go(to);
  };
  return <a href={to} onClick={click} {...more}>{children}</a>;
}
export function Failure({ text, retry }: { text: string; retry?: () => void }) {
  return <div class="failure" role="alert"><span>{text}</span>{retry && <button type="button" class="button" onClick={retry}>Try again</button>}</div>;
}
export function Tabs<T extends string>({ label, all, value, onChoose }: { label: string; all: readonly (readonly [T, string])[]; value: T; onChoose: (value: T) => void }) {
  const key = (e: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    const at = all.findIndex(([v]) => v === value), next = all[(at + step + all.length) % all.length];
    if (!next) return;
    onChoose(next[0]);
    ((e.currentTarget as HTMLElement).children[(at + step + all.length) % all.length] as HTMLElement).focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={label} onKeyDown={key}>
      {all.map(([v, text]) => <button key={v} type="button" role="tab" aria-selected={v === value} tabIndex={v === value ? 0 : -1} onClick={() => onChoose(v)}>{text}</button>)}
    </div>
  );
}
/** A button with a list under it. Escape and a click elsewhere close it; arrows move in it. */
export function Menu({ label, text, children }: { label: string; text: ComponentChildren; children: (close: () => void) => ComponentChildren }) {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null), button = useRef<HTMLButtonElement>(null);
  const close = (): void => { setOpen(false); button.current?.focus(); };
  useLayoutEffect(() => {
    if (!isOpen) return;
    (root.current?.querySelector('.menu-list [aria-current], .menu-list button, .menu-list a, .menu-list input') as HTMLElement | null)?.focus();
    const outside = (e: Event): void => { if (!root.current?.contains(e.target as Node)) setOpen(false); };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [isOpen]);
  const key = (e: KeyboardEvent): void => {
    if (e.key === 'Escape' && isOpen) { e.preventDefault(); close(); }
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!step || !isOpen || e.target instanceof HTMLInputElement) return;
    e.preventDefault();
    const all = [...(root.current?.querySelectorAll<HTMLElement>('.menu-list button, .menu-list a') ?? [])];
    all[(all.indexOf(document.activeElement as HTMLElement) + step + all.length) % all.length]?.focus();
  };
  return (
    <div class="menu" ref={root} onKeyDown={key}>
      <button ref={button} type="button" class="button" aria-expanded={isOpen} aria-label={label} onClick={() => setOpen(!isOpen)}>{text}<span class="caret" aria-hidden="true" /></button>
      {isOpen && <div class="menu-list">{children(close)}</div>}
    </div>
  );
}
/** A text that counts when it is done: what is being written is its own, whatever is drawn anew around it. */
export function TextField({ value, onDone, ...more }: { value: string; onDone: (text: string) => void; 'aria-label'?: string; list?: string; placeholder?: string; type?: 'text' | 'search' }) {
  const [text, setText] = useState(value);
  useLayoutEffect(() => { setText(value); }, [value]);
  return <input type="text" {...more} value={text} onInput={(e) => setText(e.currentTarget.value)} onChange={(e) => onDone(e.currentTarget.value.trim())} />;
}
export function CopyButton({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [done, setDone] = useState<boolean | null>(null);
  const copy = async (): Promise<void> => setDone(await copyText(text));
  return <button type="button" class="button" onClick={copy} aria-live="polite">{done === null ? label : done ? 'Copied' : 'Not copied'}</button>;
}
export function Copy({ text }: { text: string }) {
  return <div class="code"><pre tabIndex={0}><code>{text}</code></pre><CopyButton text={text} /></div>;
}
