// Forms: a field with its label, its hint and what was refused of it; what is sent and what became of it; dialogs.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { refusal } from '../api.ts';

export interface Sending {
  isBusy: boolean;
  isDone: boolean;
  /** What was refused of this member; '' if nothing. */
  of: (field: string) => string;
  /** What was refused and is about none of the fields that are shown. */
  rest: string;
  run: (what: () => Promise<void>) => Promise<boolean>;
}
/** `fields`: the members that the form shows; `usual`: the one that a refusal without a name is about, by the kind of problem. */
export function useSending(fields: readonly string[] = [], usual: string | ((slug: string) => string) = ''): Sending {
  const [state, set] = useState({ isBusy: false, isDone: false, field: '', text: '' });
  const isGone = useRef(false);
  useEffect(() => () => { isGone.current = true; }, []);
  const run = async (what: () => Promise<void>): Promise<boolean> => {
    set({ isBusy: true, isDone: false, field: '', text: '' });
    try {
      await what();
      if (!isGone.current) set({ isBusy: false, isDone: true, field: '', text: '' });
      return true;
    } catch (e) {
      const { field, text, slug } = refusal(e);
      if (!isGone.current) set({ isBusy: false, isDone: false, field: fields.includes(field) ? field : typeof usual === 'string' ? usual : usual(slug), text });
      return false;
    }
  };
  return { isBusy: state.isBusy, isDone: state.isDone, of: (field) => (state.field === field ? state.text : ''), rest: state.field ? '' : state.text, run };
}
export interface Control { id: string; name: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean }
/** children: makes the control, and gives it these. */
export function Field({ name, label, hint, error, children }: { name: string; label: ComponentChildren; hint?: ComponentChildren; error?: string | undefined; children: (control: Control) => ComponentChildren }) {
  const id = useId(), described = [hint && `${id}h`, error && `${id}e`].filter(Boolean).join(' ') || undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, name, 'aria-describedby': described, 'aria-invalid': !!error })}
      {error && <p class="error" id={`${id}e`}>{error}</p>}
      {hint && <p class="hint" id={`${id}h`}>{hint}</p>}
    </div>
  );
}
/** The same of several controls. */
export function Fields({ label, hint, error, children }: { label: ComponentChildren; hint?: ComponentChildren; error?: string | undefined; children: ComponentChildren }) {
  return <fieldset class="field checks"><legend>{label}</legend>{children}{error && <p class="error" role="alert">{error}</p>}{hint && <p class="hint">{hint}</p>}</fieldset>;
}
/** What is refused is told at its field, which gets the focus, or at the end of the form. */
export function Form({ sending, action, done, onSubmit, isDangerous, isWide, cancel, isReady = true, children }: {
  sending: Sending; action: string; done?: string; onSubmit: () => void; isDangerous?: boolean; isWide?: boolean; cancel?: (() => void) | undefined; isReady?: boolean; children?: ComponentChildren;
}) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => { if (!sending.isBusy && !sending.isDone) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus(); }, [sending.isBusy]);
  return (
    <form ref={form} class={isWide ? 'form wide' : 'form'} noValidate onSubmit={(e) => { e.preventDefault(); if (!sending.isBusy && isReady) onSubmit(); }}>
      {children}
      {sending.rest && <p class="error" role="alert">{sending.rest}</p>}
      <div class="form-end">
        <button class={`button ${isDangerous ? 'danger' : 'primary'}`} disabled={sending.isBusy || !isReady}>{action}</button>
        {cancel && <button type="button" class="button" onClick={cancel}>Cancel</button>}
        {done && <span class="done" role="status">{sending.isDone ? done : ''}</span>}
      </div>
    </form>
  );
}
/** Escape closes it, the focus stays in it, and goes back to where it was. */
export function Dialog({ title, onClose, kind = '', children }: { title: string; onClose: () => void; kind?: '' | 'wide' | 'drawer'; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null), id = useId();
  useLayoutEffect(() => {
    const dialog = box.current, before = document.activeElement as HTMLElement | null;
    dialog?.showModal();
    return () => { dialog?.close(); if (before?.isConnected) before.focus(); };
  }, []);
  return (
    <dialog ref={box} class={`dialog ${kind}`} aria-labelledby={id} onCancel={(e) => { e.preventDefault(); onClose(); }}>
      <div class="dialog-head"><h2 id={id}>{title}</h2><button type="button" class="button quiet" aria-label="Close" onClick={onClose}>×</button></div>
      {children}
    </dialog>
  );
}
/** Asks before something that cannot be taken back; `word` has to be typed then. */
export function Confirm({ title, action, word, run, onClose, children }: { title: string; action: string; word?: string; run: () => Promise<void>; onClose: () => void; children: ComponentChildren }) {
  const sending = useSending(), [typed, setTyped] = useState('');
  const submit = async (): Promise<void> => { if (await sending.run(run)) onClose(); };
  return (
    <Dialog title={title} onClose={onClose}>
      <Form sending={sending} action={action} isDangerous cancel={onClose} isReady={!word || typed.trim() === word} onSubmit={() => void submit()}>
        <div class="prose">{children}</div>
        {word && <Field name="word" label={<>Type <b>{word}</b> to go on</>}>{(control) => <input {...control} autocomplete="off" value={typed} onInput={(e) => setTyped(e.currentTarget.value)} />}</Field>}
      </Form>
    </Dialog>
  );
}
