// A question and what is known of its answer: the last answer stays while the next one is under way, so that nothing jumps.
import { useEffect, useState } from 'preact/hooks';
import { ApiError } from './api.ts';

export interface Loaded<T> { value: T | undefined; error: string; isLoading: boolean; retry: () => void }
/** `key` says what is asked: another key asks again. */
export function useLoad<T>(key: string, ask: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, set] = useState<{ key: string; value: T | undefined; error: string; isLoading: boolean }>({ key: '', value: undefined, error: '', isLoading: true });
  const [attempt, again] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    set((s) => ({ ...s, isLoading: true }));
    ask(stop.signal).then(
      (value) => { if (!stop.signal.aborted) set({ key, value, error: '', isLoading: false }); },
      (e: unknown) => { if (!stop.signal.aborted) set((s) => ({ ...s, error: e instanceof ApiError || e instanceof Error ? e.message : String(e), isLoading: false })); },
    );
    return () => stop.abort();
  }, [key, attempt]);
  return { value: state.value, error: state.error, isLoading: state.isLoading, retry: () => again(attempt + 1) };
}
