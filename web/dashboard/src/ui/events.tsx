// Events as they were sent: a line each, and under it what came along.
import type { RawEvent } from '../api.ts';
import { moment, name, time } from '../format.ts';
import type { ProjectOf } from '../session.ts';
import { Link } from './parts.tsx';

const SHORT = 120;
export const valueText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
/** "plan: pro · seats: 3" */
function summary(properties: RawEvent['properties']): string {
  const all = Object.entries(properties ?? {}).map(([key, value]) => `${key}: ${valueText(value)}`).join(' · ');
  return all.length > SHORT ? `${all.slice(0, SHORT)}…` : all;
}
/** Whoever goes by this id. */
export const userPage = (project: ProjectOf, id: string): string => `/app/${project.id}/users?user=${encodeURIComponent(id)}`;
/** `of`: whether they are of one name, so that who and where is told, or of one person, so that what and when is. */
export function EventList({ events, project, label, of }: { events: readonly RawEvent[]; project: ProjectOf; label: string; of: 'name' | 'person' }) {
  return (
    <ul class={`events of-${of}`} aria-label={label}>
      {events.map((e) => {
        const who = e.user_id ?? e.anonymous_id, page = e.page?.path ?? e.page?.url ?? '';
        return (
          <li key={e.id}>
            <time class="muted" dateTime={e.timestamp}>{of === 'person' ? time(e.timestamp, project.time_zone) : moment(e.timestamp, project.time_zone)}</time>
            {of === 'person' && <span class="cut" title={e.event}>{e.kind ? <span class="muted">{e.event}</span> : e.event}</span>}
            <span class="cut" title={e.page?.url}>{page}</span>
            {of === 'name' && <span class="cut">{who && <Link to={userPage(project, who)} title={who}>{who}</Link>}</span>}
            {of === 'name' && <span class="muted">{e.geo?.country ? name('country', e.geo.country) : ''}</span>}
            <details>
              <summary>{summary(e.properties) || <span class="muted">No properties</span>}</summary>
              <pre class="json">{JSON.stringify(e, null, 2)}</pre>
            </details>
          </li>
        );
      })}
    </ul>
  );
}
