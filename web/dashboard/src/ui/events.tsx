// Events as they were sent: a line each, and under it what came along.
import type { RawEvent } from '../api.ts';
import { moment, name } from '../format.ts';
import type { ProjectOf } from '../session.ts';

const SHORT = 120;
const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
/** "plan: pro · seats: 3" */
function summary(properties: RawEvent['properties']): string {
  const all = Object.entries(properties ?? {}).map(([key, value]) => `${key}: ${text(value)}`).join(' · ');
  return all.length > SHORT ? `${all.slice(0, SHORT)}…` : all;
}
export function EventList({ events, project, label, withNames = false }: { events: readonly RawEvent[]; project: ProjectOf; label: string; withNames?: boolean }) {
  return (
    <ul class="events" aria-label={label}>
      {events.map((e) => (
        <li key={e.id}>
          <time class="muted" dateTime={e.timestamp}>{moment(e.timestamp, project.time_zone)}</time>
          {withNames && <b class="cut">{e.event}</b>}
          <span class="cut" title={e.page?.url}>{e.page?.path ?? e.page?.url ?? ''}</span>
          {!withNames && <span class="cut">{e.user_id ?? e.anonymous_id ?? ''}</span>}
          <span class="muted">{e.geo?.country ? name('country', e.geo.country) : ''}</span>
          <details>
            <summary>{summary(e.properties) || 'No properties'}</summary>
            <pre class="json">{JSON.stringify(e, null, 2)}</pre>
          </details>
        </li>
      ))}
    </ul>
  );
}
