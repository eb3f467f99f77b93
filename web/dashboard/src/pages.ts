// The pages: a line and a file each. All but the first are loaded when they are opened.
import type { ComponentType } from 'preact';
import { OverviewPage } from './pages/overview.tsx';
import { shared } from './location.ts';
import type { ProjectOf } from './session.ts';

export type PageComponent = ComponentType<{ project: ProjectOf }>;
export interface PageInfo {
  id: string; // in the address: /app/{project}/{id}
  text: string;
  group: (typeof GROUPS)[number] | null; // null: not in the list of pages
  needs: string; // the permission that it asks with (docs/access.md); without it, it is not shown. '': it is everybody's, and takes no project
  tools: 'range' | 'compare' | 'none'; // what stands above it: filters and range, these and a comparison, or nothing
  load: () => Promise<PageComponent>;
}
/** As they stand beside a page; one that has none is not shown. Services is the place of audit log, webhooks, inbox and secrets. */
export const GROUPS = ['Look', 'Explore', 'Define', 'Services', 'Run'] as const;
const STATS = 'stats:read', PROJECTS = 'projects:write';
export const PAGES: readonly PageInfo[] = [
  { id: 'overview', text: 'Overview', group: 'Look', needs: STATS, tools: 'compare', load: () => Promise.resolve(OverviewPage) },
  { id: 'live', text: 'Live', group: 'Look', needs: STATS, tools: 'none', load: () => import('./pages/live.tsx').then((m) => m.LivePage) },
  { id: 'goals', text: 'Goals', group: 'Look', needs: STATS, tools: 'compare', load: () => import('./pages/goals.tsx').then((m) => m.GoalsPage) },
  { id: 'revenue', text: 'Revenue', group: 'Look', needs: STATS, tools: 'compare', load: () => import('./pages/revenue.tsx').then((m) => m.RevenuePage) },
  { id: 'vitals', text: 'Web Vitals', group: 'Look', needs: STATS, tools: 'range', load: () => import('./pages/vitals.tsx').then((m) => m.VitalsPage) },
  { id: 'events', text: 'Events', group: 'Explore', needs: STATS, tools: 'compare', load: () => import('./pages/events.tsx').then((m) => m.EventsPage) },
  { id: 'users', text: 'Users', group: 'Explore', needs: STATS, tools: 'none', load: () => import('./pages/users.tsx').then((m) => m.UsersPage) },
  { id: 'funnel', text: 'Funnel', group: 'Explore', needs: STATS, tools: 'range', load: () => import('./pages/funnel.tsx').then((m) => m.FunnelPage) },
  { id: 'retention', text: 'Retention', group: 'Explore', needs: STATS, tools: 'range', load: () => import('./pages/retention.tsx').then((m) => m.RetentionPage) },
  { id: 'paths', text: 'Paths', group: 'Explore', needs: STATS, tools: 'range', load: () => import('./pages/paths.tsx').then((m) => m.PathsPage) },
  { id: 'segments', text: 'Segments', group: 'Define', needs: STATS, tools: 'none', load: () => import('./pages/segments.tsx').then((m) => m.SegmentsPage) },
  { id: 'cohorts', text: 'Cohorts', group: 'Define', needs: STATS, tools: 'none', load: () => import('./pages/cohorts.tsx').then((m) => m.CohortsPage) },
  { id: 'annotations', text: 'Annotations', group: 'Define', needs: STATS, tools: 'none', load: () => import('./pages/annotations.tsx').then((m) => m.AnnotationsPage) },
  { id: 'alerts', text: 'Alerts and mail', group: 'Define', needs: STATS, tools: 'none', load: () => import('./pages/alerts.tsx').then((m) => m.AlertsPage) },
  { id: 'ingestion', text: 'Ingestion', group: 'Run', needs: STATS, tools: 'none', load: () => import('./pages/ingestion.tsx').then((m) => m.IngestionPage) },
  { id: 'settings', text: 'Settings', group: 'Run', needs: PROJECTS, tools: 'none', load: () => import('./pages/settings.tsx').then((m) => m.SettingsPage) },
  { id: 'profile', text: 'Profile', group: null, needs: '', tools: 'none', load: () => import('./pages/profile.tsx').then((m) => m.ProfilePage) },
];
/** Whether this person sees it, or who came by a shared link. */
export const mayOpen = (of: ProjectOf, p: PageInfo): boolean => of.permissions.includes(p.needs) && (shared.value?.pages.includes(p.id) ?? true);
