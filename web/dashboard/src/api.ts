// The only place that talks to the server. A session's cookie says who asks; what changes something, and every question
// (a POST), carries the session's token as well (docs/access.md, "People").
export class ApiError extends Error {
  constructor(readonly status: number, readonly slug: string, message: string) { super(message); }
}
/** What a refusal is about: the member that its text begins with, as "time_zone" or as a JSON pointer, and what it says of it. */
export function refusal(e: unknown): { field: string; text: string; slug: string } {
  const message = e instanceof Error ? e.message : String(e), [, quoted, pointed, rest] = /^(?:"(\w+)"|\/(\w+)(?:\/[^:\s]*)?):?\s+(.*)$/s.exec(message) ?? [];
  const text = rest ?? message;
  return { field: quoted ?? pointed ?? '', slug: e instanceof ApiError ? e.slug : '', text: text.charAt(0).toUpperCase() + text.slice(1) };
}

let csrf = '';
export const setCsrf = (token: string): void => { csrf = token; };
/** By a shared link, nobody is signed in: a visit says what may be asked (docs/access.md, "Shared links"). */
let visit: string | null = null;
export const setVisit = (token: string): void => { visit = token; };
/** What happens when the session is over. */
let onSignedOut = (): void => {};
export const whenSignedOut = (fn: () => void): void => { onSignedOut = fn; };

const SIGNING_IN = ['/v1/login', '/v1/me', '/v1/shares/open']; // who is not, is told so by the answer

async function problem(res: Response): Promise<ApiError> {
  const body = (await res.json().catch(() => null)) as { type?: string; detail?: string; title?: string } | null;
  return new ApiError(res.status, body?.type?.split('/').pop() ?? '', body?.detail ?? body?.title ?? `The server answered ${res.status}.`);
}

export async function call<T>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown, signal?: AbortSignal, more?: Record<string, string>): Promise<T> {
  const headers: Record<string, string> = { ...more };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (visit) headers['Authorization'] = `Bearer ${visit}`;
  else if (method !== 'GET') headers['X-CSRF-Token'] = csrf;
  let res: Response;
  try {
    res = await fetch(path, { method, headers, credentials: visit ? 'omit' : 'same-origin', ...(body === undefined ? {} : { body: JSON.stringify(body) }), ...(signal ? { signal } : {}) });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new ApiError(0, 'unreachable', 'The server cannot be reached.');
  }
  if (!res.ok) {
    const e = await problem(res);
    if (e.status === 401 && !SIGNING_IN.includes(path)) onSignedOut();
    throw e;
  }
  return (res.status === 204 ? undefined : await res.json()) as T;
}

// ---- shapes (openapi.json) ----
export interface User { id: string; email: string; name: string; has_second_factor: boolean }
export interface Membership { id: string; role: string; name: string; permissions: string[] }
export interface Me { user: User; memberships: { data: Membership[] }; recovery_codes_left: number; csrf_token: string }
export interface Project {
  id: string; name: string; time_zone: string; domains: string[]; client_ids: string[]; allowed_origins: string[]; retention_days: number;
  privacy_mode: string; bot_policy: string; events_per_month_max: number; created_at: string; archived_at: string | null;
}
export interface Key {
  id: string; name: string; kind: 'write' | 'secret'; prefix: string; text: string | null; scopes: string[]; allowed_origins: string[];
  created_at: string; last_used_at: string | null; replaces: string | null; revoked_at: string | null; expires_at: string | null;
}
export interface Page<T> { data: T[]; next: string | null }
/** A page of a list that goes on behind `after`, for usePages. */
export const listed = <T>(path: string) => async (after: string | null, signal?: AbortSignal): Promise<{ rows: T[]; next: string | null }> => {
  const { data, next } = await call<Page<T>>('GET', after ? `${path}${path.includes('?') ? '&' : '?'}after=${encodeURIComponent(after)}` : path, undefined, signal);
  return { rows: data, next };
};

export type Filter = [operator: string, field: string, values: string[]];
export interface Question {
  metrics: string[];
  date_range: string | [string, string];
  dimensions?: string[];
  filters?: Filter[];
  goal?: Filter[] | { id: string };
  limit?: number;
  order_by?: [string, 'asc' | 'desc'][];
  include?: { compare?: 'previous_period' | 'year_over_year'; time_labels?: boolean; total_rows?: boolean };
}
export type Value = number | null;
export interface Row { dimensions: (string | null)[]; metrics: Value[]; comparison?: { metrics: Value[] } }
export interface Answer { results: Row[]; meta: { time_labels?: string[]; total_rows?: number }; query: { date_range: [string, string] } }

/** An event as it was sent (docs/format/event.md); `kind` is null for a plain one. */
export interface RawEvent {
  id: string;
  event: string;
  timestamp: string;
  received_at: string;
  user_id: string | null;
  anonymous_id: string | null;
  session_id: string | null;
  page?: { url?: string; path?: string; title?: string; referrer?: string };
  geo?: { country?: string; region?: string; city?: string };
  properties: Record<string, unknown> | null;
  kind: string | null;
}
/** Somebody, under all of their ids (docs/persons.md). */
export interface Person {
  person_id: string;
  user_id: string | null;
  user_ids: string[];
  anonymous_ids: string[];
  id_count: number;
  first_seen: string | null;
  last_seen: string | null;
  traits: Record<string, unknown>;
  groups: Record<string, string>;
}
export interface WholePerson extends Person { events: number; pageviews: number; sessions: number }
export interface Visit {
  session: string;
  start: string;
  end: string;
  pageviews: number;
  events: number;
  duration_ms: number;
  source: string | null;
  channel: string | null;
  country: string | null;
  browser: string | null;
  os: string | null;
  device: string | null;
}
export interface Timeline { events: (RawEvent & { session: string | null })[]; sessions: Visit[]; next_cursor: string | null }
/** Who is here now (docs/live.md). */
export interface Live {
  visitors: number;
  visitors_30m: number;
  pageviews_30m: number;
  events_30m: number;
  minutes: { minutes_ago: number; visitors: number; pageviews: number }[];
  pages: { page: string; visitors: number; pageviews: number }[];
  sources: { source: string; channel: string; visitors: number }[];
  countries: { country: string; visitors: number }[];
  events: LiveEvent[];
}
/** As it became durable, or as it is in the store: what is not known is absent, or empty. */
export interface LiveEvent { id: string; event: string; timestamp: string; kind?: string; user_id?: string; page?: string; country?: string; city?: string }
export interface PropertyRow { property: string; count: number; numbers: number }

/** Stored segments and cohorts stand among filters like a field, as in the address: ["is", "segment", [name]]. */
const stored = (filter: Filter): unknown => {
  const [operator, field, values] = filter;
  if (field !== 'segment' && field !== 'cohort') return filter;
  const each = values.map((v) => [field, v]), any = each.length === 1 ? each[0] : ['or', each];
  return operator === 'is_not' ? ['not', any] : any;
};
const sent = (question: object): object => ({ ...question, ...('filters' in question && Array.isArray(question.filters) ? { filters: (question.filters as Filter[]).map(stored) } : {}) });
/** Of the other kinds of reports: rows as that kind has them. */
export const report = <R>(project: string, question: Record<string, unknown>, signal?: AbortSignal): Promise<{ results: R[]; meta: { next_cursor?: string | null } }> => call('POST', `/v1/projects/${project}/query`, sent(question), signal);
export const ask = (project: string, question: Question, signal?: AbortSignal): Promise<Answer> => call('POST', `/v1/projects/${project}/query`, sent(question), signal);
export interface Statements { statements: string[]; parameters: Record<string, string> }
/** What a question becomes, instead of its answer. */
export const sqlOf = (project: string, question: object, signal?: AbortSignal): Promise<Statements> => call('POST', `/v1/projects/${project}/query/sql`, sent(question), signal);
