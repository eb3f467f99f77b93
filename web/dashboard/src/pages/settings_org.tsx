// The organisation: its name, its projects, a new one.
import { useState } from 'preact/hooks';
import { api, call, listed, type Organisation, type Project } from '../api.ts';
import { when } from '../format.ts';
import { useLoad, usePages } from '../load.ts';
import { go } from '../location.ts';
import { load, type ProjectOf } from '../session.ts';
import { Dialog, Field, Form, useSending } from '../ui/form.tsx';
import { Failure, Link } from '../ui/parts.tsx';
import { Table, type Column } from '../ui/table.tsx';

function NameForm({ of, path }: { of: Organisation; path: string }) {
  const sending = useSending(['name'], 'name'), [was, setWas] = useState(of.name), [name, setName] = useState(of.name);
  const submit = (): Promise<boolean> => sending.run(async () => {
    const now = await call<Organisation>('PATCH', path, { name: name.trim() });
    setWas(now.name);
    setName(now.name);
    await load();
  });
  return (
    <Form sending={sending} action="Save" done="Saved." isReady={name.trim() !== was} onSubmit={() => void submit()}>
      <Field name="name" label="Name" error={sending.of('name')}>{(c) => <input {...c} value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
    </Form>
  );
}
export function NewProject({ org, onClose }: { org: string; onClose: () => void }) {
  const sending = useSending(['name'], 'name'), [name, setName] = useState('');
  const submit = (): Promise<boolean> => sending.run(async () => {
    const path = `/v1/orgs/${org}/projects` as const, made = await api<'createProject'>('POST', path, { name: name.trim() });
    // Both can be made up for in its settings: a key (it begins without one), and a zone that the server knows.
    await api<'createKey'>('POST', `${path}/${made.id}/keys`, { kind: 'write', name: 'default' }).catch(() => undefined);
    await api<'updateProject'>('PATCH', `${path}/${made.id}`, { time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone }).catch(() => undefined);
    await load();
    onClose();
    go(`/app/${made.id}/overview`);
  });
  return (
    <Dialog title="New project" onClose={onClose}>
      <Form sending={sending} action="Make the project" cancel={onClose} onSubmit={() => void submit()}>
        <Field name="name" label="Name" hint="A site, an app: what has numbers of its own. It gets a write key, and the time zone of this browser." error={sending.of('name')}>{(c) => <input {...c} autofocus value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
      </Form>
    </Dialog>
  );
}
export function Organisation({ project }: { project: ProjectOf }) {
  const path = `/v1/orgs/${project.org}` as const, { value, error, retry } = useLoad(path, (signal) => api<'getOrg'>('GET', path, undefined, signal));
  const projects = usePages(`${path}/projects`, listed<Project>(`${path}/projects`)), [isNew, setNew] = useState(false);
  const columns: Column<Project>[] = [
    { text: 'Name', cell: (p) => (p.archived_at ? p.name : <Link to={`/app/${p.id}/settings`} aria-current={p.id === project.id ? 'page' : undefined}>{p.name}</Link>) },
    { text: 'Time zone', cell: (p) => p.time_zone },
    { text: 'Domains', cell: (p) => <span class="wrap">{p.domains.join(', ') || '–'}</span> },
    { text: 'Since', cell: (p) => when(p.created_at, project.time_zone) },
    { text: 'State', cell: (p) => (p.archived_at ? `Archived ${when(p.archived_at, project.time_zone)}` : 'Works') },
  ];
  return (
    <>
      <section class="card" aria-label="Organisation">
        <h2>Organisation</h2>
        {error && !value && <Failure text={error} retry={retry} />}
        {value && (project.permissions.includes('org:write') ? <NameForm of={value} path={path} /> : <p>{value.name}</p>)}
      </section>
      <section class="card" aria-label="Projects">
        <header class="card-head"><h2>Projects</h2><button type="button" class="button primary" onClick={() => setNew(true)}>New project</button></header>
        <Table label="Projects" of={projects} columns={columns} nothing="There is no project." isMuted={(p) => !!p.archived_at} />
      </section>
      {isNew && <NewProject org={project.org} onClose={() => setNew(false)} />}
    </>
  );
}
