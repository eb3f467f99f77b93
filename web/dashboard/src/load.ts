// A question and what is known of its answer: the last answer stays while the next one is under way, so that nothing jumps.
import { useEffect, useRef, useState } from 'preact/hooks';

export interface Loaded<T> { value: T | undefined; error: string; isLoading: boolean; retry: () => void }
/** `key` says what is asked: another key asks again, and is loading from the render on that brings it. */
export function useLoad<T>(key: string, ask: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [attempt, again] = useState(0), asked = `${attempt} ${key}`;
  const [state, set] = useState<{ answered: string; value: T | undefined; error: string }>({ answered: '', value: undefined, error: '' });
  useEffect(() => {
    const stop = new AbortController();
    ask(stop.signal).then(
      (value) => { if (!stop.signal.aborted) set({ answered: asked, value, error: '' }); },
      (e: unknown) => { if (!stop.signal.aborted) set((s) => ({ ...s, answered: asked, error: e instanceof Error ? e.message : String(e) })); },
    );
    return () => stop.abort();
  }, [asked]);
  return { value: state.value, error: state.error, isLoading: state.answered !== asked, retry: () => again(attempt + 1) };
}

export interface Page<T> { rows: T[]; next: string | null }
/** A list that goes on: `ask` is given where the page before ended. Another key, and retry(), begin anew. */
export function usePages<T>(key: string, ask: (cursor: string | null, signal: AbortSignal) => Promise<Page<T>>): Loaded<T[]> & { more: (() => void) | null } {
  const [later, set] = useState<{ of: unknown; rows: T[]; next: string | null; error: string; isLoading: boolean }>({ of: null, rows: [], next: null, error: '', isLoading: false });
  const first = useLoad(key, (signal) => ask(null, signal));
  const there = later.of === first.value && !first.isLoading ? later : { of: first.value, rows: [], next: first.value?.next ?? null, error: '', isLoading: false };
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), [key]);
  const more = async (): Promise<void> => {
    const { signal } = (stop.current = new AbortController());
    set({ ...there, error: '', isLoading: true });
    try {
      const got = await ask(there.next, signal);
      if (!signal.aborted) set({ ...there, rows: [...there.rows, ...got.rows], next: got.next, error: '', isLoading: false });
    } catch (e) {
      if (!signal.aborted) set({ ...there, error: e instanceof Error ? e.message : String(e), isLoading: false });
    }
  };
  const go = (): void => void more();
  return {
    value: first.value && [...first.value.rows, ...there.rows], error: first.error || there.error, isLoading: first.isLoading || there.isLoading,
    retry: there.error ? go : first.retry, more: there.next === null || there.isLoading ? null : go,
  };
}
