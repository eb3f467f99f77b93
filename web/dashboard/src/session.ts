// Who is signed in, and what they can see.
import { computed, signal } from '@preact/signals';
import { api, ApiError, ask, listed, setCsrf, whenSignedOut, type Me, type Project } from './api.ts';
import { projectId } from './location.ts';

export type ProjectOf = Pick<Project, 'id' | 'name' | 'time_zone' | 'domains' | 'retention_days' | 'archived_at'> & { org: string; permissions: string[] };
export const me = signal<Me | null | undefined>(undefined); // undefined: not known yet
export const projects = signal<ProjectOf[]>([]);
export const failure = signal<string>('');
export const project = computed(() => projects.value.find((p) => p.id === projectId.value));
whenSignedOut(() => { me.value = null; });

/** All pages of a list. */
export async function all<T>(path: string): Promise<T[]> {
  const rows: T[] = [], page = listed<T>(path);
  for (let next: string | null | undefined; next !== null;) {
    const got = await page(next ?? null);
    rows.push(...got.rows);
    next = got.next;
  }
  return rows;
}
export async function load(): Promise<void> {
  failure.value = '';
  try {
    const got = await api<'getMe'>('GET', '/v1/me');
    setCsrf(got.csrf_token);
    const lists = await Promise.all(got.memberships.data.map(async (m) => (await all<Project>(`/v1/orgs/${m.id}/projects`)).filter((p) => !p.archived_at).map((p) => ({ ...p, org: m.id, permissions: m.permissions }))));
    projects.value = lists.flat();
    me.value = got;
  } catch (e) {
    if (e instanceof ApiError && e.status === 401) me.value = null;
    else failure.value = (e as Error).message;
  }
}
/** Ids of projects that are known to have events: that is a question about all time, and not asked twice. */
export const begun = signal<readonly string[]>([]);
export const begin = (id: string): void => { if (!begun.value.includes(id)) begun.value = [...begun.value, id]; };
export async function lookForEvents(id: string, signal?: AbortSignal): Promise<boolean> {
  const isBegun = begun.value.includes(id) || !!(await ask(id, { metrics: ['events'], date_range: 'all' }, signal)).results[0]?.metrics[0];
  if (isBegun) begin(id);
  return isBegun;
}
/** Whether a project has sums that another product counted (docs/import.md): undefined, not known yet. */
export const imported = signal<Record<string, boolean>>({});
export async function lookForImports(id: string, signal?: AbortSignal): Promise<boolean> {
  const known = imported.value[id];
  if (known !== undefined) return known;
  const isThere = (await api<'listImports'>('GET', `/v1/projects/${id}/imports`, undefined, signal)).data.length > 0;
  imported.value = { ...imported.value, [id]: isThere };
  return isThere;
}
export async function signOut(): Promise<void> {
  await api<'logout'>('POST', '/v1/logout');
  me.value = null;
}
