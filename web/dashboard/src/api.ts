// The only place that talks to the server. A session's cookie says who asks; what changes something, and every question
// (a POST), carries the session's token as well (docs/access.md, "People").
import type { BreakdownRow, EventRow, Operations, Report, ReportAnswer } from 'weir:openapi';

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

const WAITS_MAX = 30;
/** Asks again when the server says when to (a store that is starting), unless that could do something twice. */
async function asked(path: string, init: RequestInit): Promise<Response> {
  const isSafe = init.method === 'GET' || path.endsWith('/query');
  for (let waits = 0; ; waits++) {
    const res = await fetch(path, init), seconds = Number(res.headers.get('Retry-After'));
    if (res.status !== 503 || !seconds || !isSafe || waits === WAITS_MAX) return res;
    await new Promise((done) => setTimeout(done, seconds * 1000));
    init.signal?.throwIfAborted();
  }
}

/** body: JSON, or a file as it is. */
export async function call<T>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown, signal?: AbortSignal, more?: Record<string, string>): Promise<T> {
  const headers: Record<string, string> = { ...more };
  if (body !== undefined) headers['Content-Type'] = body instanceof Blob ? 'application/octet-stream' : 'application/json';
  if (visit) headers['Authorization'] = `Bearer ${visit}`;
  else if (method !== 'GET') headers['X-CSRF-Token'] = csrf;
  let res: Response;
  try {
    res = await asked(path, { method, headers, credentials: visit ? 'omit' : 'same-origin', ...(body === undefined ? {} : { body: body instanceof Blob ? body : JSON.stringify(body) }), ...(signal ? { signal } : {}) });
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

// ---- shapes: of openapi.json, made by tools/dashboard-types.mjs ----
type Operation = keyof Operations;
/** What an operation answers. */
export type AnswerOf<O extends Operation> = Operations[O]['answer'];
/** A schema of which more is known here: of what is JSON to the server, of words that are some only. Never, if it has no such member. */
export type Narrowed<T, M> = Exclude<keyof M, keyof T> extends never ? Omit<T, keyof M> & M : never;
/** An operation by its name: method and path have to be its own. */
export const api = <O extends Operation>(method: Operations[O]['method'], path: Operations[O]['path'], body?: Operations[O]['body'], signal?: AbortSignal): Promise<AnswerOf<O>> => call(method, path, body, signal);
export type { Alert, Annotation, AttributionRow, Cohort, EdgeRow, FunnelRow, Goal, Invitation, Key, MailReport, Member, Membership, Organisation, Project, PropertyRow, Report, RetentionRow, Segment, Share, VitalsRow } from 'weir:openapi';
export type Me = AnswerOf<'getMe'>;
export type RawEvent = EventRow;
export type Person = AnswerOf<'listPersons'>['persons'][number];
export type Timeline = AnswerOf<'getPersonTimeline'>;
export type Visit = Timeline['sessions'][number];
export type Live = AnswerOf<'getLive'>;
/** As it became durable (docs/live.md), or as it is in the store: what is not known is absent, or empty. */
export type LiveEvent = Pick<Live['events'][number], 'id' | 'event' | 'timestamp'> & Partial<Pick<Live['events'][number], 'user_id' | 'page' | 'country'>> & { kind?: string; city?: string };
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
  include?: { compare?: 'previous_period' | 'year_over_year'; time_labels?: boolean; total_rows?: boolean; imports?: 'where_known' };
}
/** Metrics that are numbers: what is by currency is asked for as such (sum:revenue). */
export type Value = Extract<BreakdownRow['metrics'][number], number | null>;
interface Values { metrics: Value[] }
export type Row = Narrowed<BreakdownRow, Values & { comparison?: Values }>;
export type Answer = Narrowed<ReportAnswer, { results: Row[]; query: Narrowed<ReportAnswer['query'], { date_range: [string, string] }> }>;

/** Stored segments and cohorts stand among filters like a field, as in the address: ["is", "segment", [name]]. */
const stored = (filter: Filter): unknown => {
  const [operator, field, values] = filter;
  if (field !== 'segment' && field !== 'cohort') return filter;
  const each = values.map((v) => [field, v]), any = each.length === 1 ? each[0] : ['or', each];
  return operator === 'is_not' ? ['not', any] : any;
};
const sent = (question: object): object => ({ ...question, ...('filters' in question && Array.isArray(question.filters) ? { filters: (question.filters as Filter[]).map(stored) } : {}) });
/** Of the other kinds of reports: rows as that kind has them. */
export const report = <R extends ReportAnswer['results'][number]>(project: string, question: Record<string, unknown>, signal?: AbortSignal): Promise<Narrowed<ReportAnswer, { results: R[] }>> => call('POST', `/v1/projects/${project}/query`, sent(question), signal);
export const ask = (project: string, question: Question, signal?: AbortSignal): Promise<Answer> => call('POST', `/v1/projects/${project}/query`, sent(question), signal);
/** A question under a name. What it is compared with is settled by who asks it. */
export function keep(project: string, name: string, question: object): Promise<Report> {
  const { include, ...rest } = sent(question) as { include?: unknown };
  return call('POST', `/v1/projects/${project}/reports`, { name, question: rest });
}
export type Statements = AnswerOf<'showReportSql'>;
/** What a question becomes, instead of its answer. */
export const sqlOf = (project: string, question: object, signal?: AbortSignal): Promise<Statements> => call('POST', `/v1/projects/${project}/query/sql`, sent(question), signal);
