// Events of a project as they become durable (docs/live.md), before they are in the store.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { LiveEvent } from './api.ts';
import type { ProjectOf } from './session.ts';

const RETRY_MS = 3000;

/** Events as they come, without an end: the browser comes again behind the last one, and where it gives up, we do. */
export function useStream(project: ProjectOf, onEvent: (event: LiveEvent) => void): boolean {
  const [isOpen, setOpen] = useState(false), handler = useRef(onEvent);
  handler.current = onEvent;
  useEffect(() => {
    let source: EventSource, timer = 0, last = '';
    const open = (): void => {
      source = new EventSource(`/v1/projects/${project.id}/live/events${last && `?last_event_id=${last}`}`);
      source.onopen = () => setOpen(true);
      source.onmessage = ({ data, lastEventId }: MessageEvent<string>) => {
        last = lastEventId;
        handler.current(JSON.parse(data) as LiveEvent);
      };
      source.onerror = () => {
        setOpen(false);
        if (source.readyState === EventSource.CLOSED) timer = window.setTimeout(open, RETRY_MS);
      };
    };
    open();
    return () => {
      clearTimeout(timer);
      source.close();
    };
  }, [project.id]);
  return isOpen;
}
