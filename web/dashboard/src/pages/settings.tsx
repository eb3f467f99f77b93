// A project's settings, its keys, the organisation's people and projects.
import { useState } from 'preact/hooks';
import { api, type Project } from '../api.ts';
import { useLoad } from '../load.ts';
import { go, param, withParams } from '../location.ts';
import { load, type ProjectOf } from '../session.ts';
import { Confirm, Field, Form, useSending, type Control } from '../ui/form.tsx';
import { Failure, Tabs } from '../ui/parts.tsx';
import { Keys } from './settings_keys.tsx';
import { Organisation } from './settings_org.tsx';
import { Team } from './settings_team.tsx';

type Settings = Pick<Project, 'name' | 'time_zone' | 'domains' | 'client_ids' | 'allowed_origins' | 'retention_days' | 'privacy_mode' | 'bot_policy' | 'events_per_month_max'>;
type Member = keyof Settings;
const MODES = [['standard', 'Standard'], ['strict', 'Strict: less is kept of each visitor'], ['relaxed', 'Relaxed: more is kept of each visitor']] as const;
const BOTS = [['mark', 'Keep and mark them'], ['drop', 'Count them and keep nothing else']] as const;
const MEMBERS: readonly Member[] = ['name', 'time_zone', 'domains', 'client_ids', 'allowed_origins', 'retention_days', 'privacy_mode', 'bot_policy', 'events_per_month_max'];
const lines = (text: string): string[] => text.split('\n').map((l) => l.trim()).filter(Boolean);
const ZONES = Intl.supportedValuesOf('timeZone');
/** As a person writes it, and back. */
const written = (value: Settings[Member]): string => (Array.isArray(value) ? value.join('\n') : String(value));
const read = (text: string, was: Settings[Member]): unknown => (Array.isArray(was) ? lines(text) : typeof was === 'number' ? (text.trim() === '' ? null : Number(text)) : text.trim());

function ProjectForm({ project, of }: { project: ProjectOf; of: Project }) {
  const sending = useSending(MEMBERS), [was, setWas] = useState<Settings>(of);
  const [draft, setDraft] = useState(() => Object.fromEntries(MEMBERS.map((m) => [m, written(of[m])])) as Record<Member, string>);
  const changed = MEMBERS.filter((m) => JSON.stringify(read(draft[m], was[m])) !== JSON.stringify(was[m]));
  const submit = (): Promise<boolean> => sending.run(async () => {
    const now = await api<'updateProject'>('PATCH', `/v1/orgs/${project.org}/projects/${project.id}`, Object.fromEntries(changed.map((m) => [m, read(draft[m], was[m])])));
    setWas(now);
    setDraft(Object.fromEntries(MEMBERS.map((m) => [m, written(now[m])])) as Record<Member, string>);
    await load();
  });
  const field = (name: Member, label: string, hint: string, control: (of: Control & { value: string; onInput: (e: { currentTarget: { value: string } }) => void }) => preact.JSX.Element) => (
    <Field name={name} label={label} hint={hint} error={sending.of(name)}>{(c) => control({ ...c, value: draft[name], onInput: (e) => { const { value } = e.currentTarget; setDraft((d) => ({ ...d, [name]: value })); } })}</Field>
  );
  return (
    <Form sending={sending} action="Save" done="Saved." isWide isReady={changed.length > 0} onSubmit={() => void submit()}>
      {field('name', 'Name', 'What it is called here.', (c) => <input {...c} />)}
      {field('time_zone', 'Time zone', 'Where days begin, and in what times are shown.', (c) => <><input {...c} list="zones" spellcheck={false} /><datalist id="zones">{ZONES.map((z) => <option key={z} value={z} />)}</datalist></>)}
      {field('domains', 'Domains', 'Its sites, one a line: example.com. Scripts of other products find the project by them.', (c) => <textarea {...c} rows={3} spellcheck={false} />)}
      {field('client_ids', 'Names elsewhere', 'What scripts of other products call it (a website id, a measurement id), one a line.', (c) => <textarea {...c} rows={2} spellcheck={false} />)}
      {field('allowed_origins', 'Allowed origins', 'Pages that may send events, one a line: https://example.com. Empty: any page.', (c) => <textarea {...c} rows={3} spellcheck={false} />)}
      {field('retention_days', 'Keep events for', 'Days; 0 keeps them for ever. Older days are removed from the store within the hour.', (c) => <input {...c} inputMode="numeric" class="short" />)}
      {field('privacy_mode', 'Privacy', 'What is kept of a visitor who did not say who they are.', (c) => <select {...c}>{MODES.map(([v, t]) => <option key={v} value={v}>{t}</option>)}</select>)}
      {field('bot_policy', 'Bots', 'What becomes of events of crawlers, monitors and other programs, from now on.', (c) => <select {...c}>{BOTS.map(([v, t]) => <option key={v} value={v}>{t}</option>)}</select>)}
      {field('events_per_month_max', 'Events a month', 'Above it, events are refused until the next month. 0: no limit.', (c) => <input {...c} inputMode="numeric" class="short" />)}
    </Form>
  );
}
function ProjectSettings({ project }: { project: ProjectOf }) {
  const path = `/v1/orgs/${project.org}/projects/${project.id}` as const, { value, error, retry } = useLoad(path, (signal) => api<'getProject'>('GET', path, undefined, signal));
  const [isAsked, setAsked] = useState(false);
  const archive = async (): Promise<void> => {
    await api<'archiveProject'>('DELETE', path);
    await load();
  };
  return (
    <>
      <section class="card" aria-label="Project">
        <h2>Project</h2>
        {error && !value && <Failure text={error} retry={retry} />}
        {value ? <ProjectForm project={project} of={value} /> : <div class="form-wait" aria-busy={!error} />}
      </section>
      <section class="card row-card" aria-label="Archive">
        <div><h2>Archive the project</h2><p class="muted">Its keys are refused and nobody sees it any more. Its events stay in the data folder.</p></div>
        <button type="button" class="button danger" onClick={() => setAsked(true)}>Archive …</button>
      </section>
      {isAsked && (
        <Confirm title="Archive this project?" action="Archive" word={project.name} run={archive} onClose={() => setAsked(false)}>
          <p>From now on nothing that it sends is taken, its numbers are not shown, and its name and domains are free for another project. This cannot be undone here.</p>
        </Confirm>
      )}
    </>
  );
}
const TABS = [['project', 'Project'], ['keys', 'Keys'], ['team', 'Team'], ['organisation', 'Organisation']] as const;
export function SettingsPage({ project }: { project: ProjectOf }) {
  const tab = TABS.find(([id]) => id === param('tab'))?.[0] ?? 'project';
  return (
    <>
      <header class="page-head"><h1>Settings</h1><Tabs label="Settings" all={TABS} value={tab} onChoose={(id) => go(withParams({ tab: id === 'project' ? null : id }))} /></header>
      {tab === 'project' && <ProjectSettings project={project} />}
      {tab === 'keys' && <Keys project={project} />}
      {tab === 'team' && <Team project={project} />}
      {tab === 'organisation' && <Organisation project={project} />}
    </>
  );
}
