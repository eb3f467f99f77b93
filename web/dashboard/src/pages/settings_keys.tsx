// The keys of a project: made, shown once, replaced, revoked.
import { useState } from 'preact/hooks';
import { api, call, listed, type AnswerOf, type Key } from '../api.ts';
import { when } from '../format.ts';
import { useLoad, usePages } from '../load.ts';
import type { ProjectOf } from '../session.ts';
import { Confirm, Dialog, Field, Form, useSending } from '../ui/form.tsx';
import { Copy, Failure } from '../ui/parts.tsx';
import { Table, type Column } from '../ui/table.tsx';

type Made = AnswerOf<'createKey'>;
const KINDS = [['secret', 'Secret: asks for numbers, for servers'], ['write', 'Write: sends events, for pages and apps']] as const;
const ENDS = [['', 'Never'], ['30', 'In 30 days'], ['90', 'In 90 days'], ['365', 'In a year']] as const;
const OVERLAPS = [['0', 'At once'], ['3600', 'In an hour'], ['86400', 'In a day'], ['604800', 'In a week'], ['2592000', 'In 30 days']] as const;
const DAY_MS = 86400000;
const isOver = (k: Key): boolean => !!k.revoked_at || (!!k.expires_at && Date.parse(k.expires_at) <= Date.now());

function Choose({ name, label, hint, all, value, error, onChange }: { name: string; label: string; hint?: string; all: readonly (readonly [string, string])[]; value: string; error?: string; onChange: (value: string) => void }) {
  return <Field name={name} label={label} hint={hint} error={error}>{(c) => <select {...c} value={value} onChange={(e) => onChange(e.currentTarget.value)}>{all.map(([v, text]) => <option key={v} value={v}>{text}</option>)}</select>}</Field>;
}
function Scopes({ kind, project, chosen, onChange }: { kind: Key['kind']; project: ProjectOf; chosen: readonly string[]; onChange: (scopes: string[]) => void }) {
  const { value, error, retry } = useLoad('permissions', (signal) => api<'listPermissions'>('GET', '/v1/permissions', undefined, signal));
  const all = value?.data.filter((p) => (kind === 'write' ? p.write_keys : p.secret_keys) && project.permissions.includes(p.name)) ?? [];
  if (error) return <Failure text={error} retry={retry} />;
  return (
    <fieldset class="checks" aria-busy={!value}>
      <legend>May</legend>
      {all.map((p) => <label key={p.name}><input type="checkbox" checked={chosen.includes(p.name)} onChange={(e) => onChange(e.currentTarget.checked ? [...chosen, p.name] : chosen.filter((s) => s !== p.name))} />{p.about}<code>{p.name}</code></label>)}
    </fieldset>
  );
}
function MakeKey({ project, path, onMade, onClose }: { project: ProjectOf; path: string; onMade: (made: Made) => void; onClose: () => void }) {
  const sending = useSending(['name', 'kind', 'expires_at']);
  const [name, setName] = useState(''), [kind, setKind] = useState<Key['kind']>('secret'), [scopes, setScopes] = useState<string[]>(['stats:read']), [days, setDays] = useState('');
  const submit = (): Promise<boolean> => sending.run(async () => {
    onMade(await call<Made>('POST', path, { name: name.trim(), kind, ...(scopes.length ? { scopes } : {}), ...(days ? { expires_at: new Date(Date.now() + Number(days) * DAY_MS).toISOString() } : {}) }));
  });
  return (
    <Dialog title="New key" onClose={onClose}>
      <Form sending={sending} action="Make the key" cancel={onClose} isReady={scopes.length > 0} onSubmit={() => void submit()}>
        <Field name="name" label="Name" hint="Where it is used, so that it is known when it has to be replaced." error={sending.of('name')}>{(c) => <input {...c} autofocus value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
        <Choose name="kind" label="Kind" all={KINDS} value={kind} error={sending.of('kind')} onChange={(v) => { setKind(v === 'write' ? 'write' : 'secret'); setScopes([v === 'write' ? 'events:write' : 'stats:read']); }} />
        <Scopes kind={kind} project={project} chosen={scopes} onChange={setScopes} />
        <Choose name="expires_at" label="Ends" all={ENDS} value={days} error={sending.of('expires_at')} onChange={setDays} />
      </Form>
    </Dialog>
  );
}
function EditKey({ of, path, onDone, onClose }: { of: Key; path: string; onDone: () => void; onClose: () => void }) {
  const sending = useSending(['name', 'allowed_origins']), [name, setName] = useState(of.name), [origins, setOrigins] = useState(of.allowed_origins.join('\n'));
  const submit = async (): Promise<void> => {
    if (await sending.run(async () => { await call('PATCH', `${path}/${of.id}`, { name: name.trim(), allowed_origins: origins.split('\n').map((l) => l.trim()).filter(Boolean) }); })) onDone();
  };
  return (
    <Dialog title="Change the key" onClose={onClose}>
      <Form sending={sending} action="Save" cancel={onClose} onSubmit={() => void submit()}>
        <Field name="name" label="Name" error={sending.of('name')}>{(c) => <input {...c} value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
        <Field name="allowed_origins" label="Allowed origins" hint="Pages that may use it, one a line: https://example.com. Empty: those of the project." error={sending.of('allowed_origins')}>{(c) => <textarea {...c} rows={3} spellcheck={false} value={origins} onInput={(e) => setOrigins(e.currentTarget.value)} />}</Field>
      </Form>
    </Dialog>
  );
}
function RotateKey({ of, path, onMade, onClose }: { of: Key; path: string; onMade: (made: Made) => void; onClose: () => void }) {
  const sending = useSending(['overlap_seconds']), [overlap, setOverlap] = useState('86400');
  const submit = (): Promise<boolean> => sending.run(async () => { onMade(await call<Made>('POST', `${path}/${of.id}/rotate`, { overlap_seconds: Number(overlap) })); });
  return (
    <Dialog title={`Replace the key “${of.name}”`} onClose={onClose}>
      <Form sending={sending} action="Make the new key" cancel={onClose} onSubmit={() => void submit()}>
        <p>A new key that may do the same is made. The old one goes on working for a while, so that both can be in use until everything is changed.</p>
        <Choose name="overlap_seconds" label="The old key stops" all={OVERLAPS} value={overlap} error={sending.of('overlap_seconds')} onChange={setOverlap} />
      </Form>
    </Dialog>
  );
}
function ShownOnce({ made, onClose }: { made: Made; onClose: () => void }) {
  return (
    <Dialog title={`The key “${made.name}”`} onClose={onClose}>
      <div class="form">
        <p>{made.kind === 'secret' ? 'It is shown this once: put it where it is needed before you close this.' : 'It may stand in pages, and can be read here again.'}</p>
        <Copy text={made.key} />
        <div class="form-end"><button type="button" class="button primary" onClick={onClose}>Done</button></div>
      </div>
    </Dialog>
  );
}
type Open = { what: 'make' } | { what: 'made'; made: Made } | { what: 'edit' | 'rotate' | 'revoke'; of: Key };
export function Keys({ project }: { project: ProjectOf }) {
  const path = `/v1/orgs/${project.org}/projects/${project.id}/keys`, keys = usePages(path, listed<Key>(path)), mayWrite = project.permissions.includes('keys:write');
  const [open, setOpen] = useState<Open | null>(null);
  const close = (): void => setOpen(null);
  const changed = (): void => { setOpen(null); keys.retry(); };
  const made = (m: Made): void => { keys.retry(); setOpen({ what: 'made', made: m }); };
  const status = (k: Key): string => (k.revoked_at ? `Revoked ${when(k.revoked_at, project.time_zone)}` : k.expires_at ? `${isOver(k) ? 'Ended' : 'Ends'} ${when(k.expires_at, project.time_zone)}` : 'Works');
  const columns: Column<Key>[] = [
    { text: 'Name', cell: (k) => k.name },
    { text: 'Kind', cell: (k) => (k.kind === 'write' ? 'Write' : 'Secret') },
    { text: 'Key', cell: (k) => <code class="key-text" title={k.text ?? undefined}>{k.text ?? `${k.prefix}…`}</code> },
    { text: 'May', cell: (k) => <span class="wrap">{k.scopes.join(', ')}</span> },
    { text: 'Last used', cell: (k) => (k.last_used_at ? when(k.last_used_at, project.time_zone) : 'Never') },
    { text: 'State', cell: status },
  ];
  if (mayWrite) columns.push({ text: 'Actions', isHidden: true, isNumber: true, cell: (k) => !isOver(k) && (
    <span class="acts">
      <button type="button" class="link" aria-label={`Change ${k.name}`} onClick={() => setOpen({ what: 'edit', of: k })}>Change</button>
      <button type="button" class="link" aria-label={`Replace ${k.name}`} onClick={() => setOpen({ what: 'rotate', of: k })}>Replace</button>
      <button type="button" class="link bad" aria-label={`Revoke ${k.name}`} onClick={() => setOpen({ what: 'revoke', of: k })}>Revoke</button>
    </span>
  ) });
  return (
    <section class="card" aria-label="Keys">
      <header class="card-head"><div><h2>Keys</h2><p class="muted">Write keys send events and may stand in pages. Secret keys ask for numbers and stay on servers.</p></div>{mayWrite && <button type="button" class="button primary" onClick={() => setOpen({ what: 'make' })}>New key</button>}</header>
      <Table label="Keys" of={keys} columns={columns} nothing="There is no key." isMuted={isOver} />
      {open?.what === 'make' && <MakeKey project={project} path={path} onMade={made} onClose={close} />}
      {open?.what === 'made' && <ShownOnce made={open.made} onClose={close} />}
      {open?.what === 'edit' && <EditKey of={open.of} path={path} onDone={changed} onClose={close} />}
      {open?.what === 'rotate' && <RotateKey of={open.of} path={path} onMade={made} onClose={close} />}
      {open?.what === 'revoke' && (
        <Confirm title={`Revoke the key “${open.of.name}”?`} action="Revoke" run={async () => { await call('DELETE', `${path}/${open.of.id}`); keys.retry(); }} onClose={close}>
          <p>Whatever uses it is refused within a second. A revoked key does not come back.</p>
        </Confirm>
      )}
    </section>
  );
}
