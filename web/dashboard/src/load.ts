// A question and what is known of its answer: the last answer stays while the next one is under way, so that nothing jumps.
import { useEffect, useState } from 'preact/hooks';

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
