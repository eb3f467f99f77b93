// One's own account: name, password, second factor, where one is signed in, what one belongs to.
import { useState } from 'preact/hooks';
import { api, listed, type AnswerOf, type Membership } from '../api.ts';
import { when } from '../format.ts';
import { usePages } from '../load.ts';
import { load, me } from '../session.ts';
import { Confirm, Dialog, Field, Form, useSending } from '../ui/form.tsx';
import { Copy } from '../ui/parts.tsx';
import { QrCode } from '../ui/qr.tsx';
import { Table, type Column } from '../ui/table.tsx';

type Session = AnswerOf<'listSessions'>['data'][number];

function Password({ name, label, value, hint, error, isNew, onInput }: { name: string; label: string; value: string; hint?: string; error: string; isNew?: boolean; onInput: (value: string) => void }) {
  return <Field name={name} label={label} hint={hint} error={error}>{(c) => <input {...c} type="password" autocomplete={isNew ? 'new-password' : 'current-password'} value={value} onInput={(e) => onInput(e.currentTarget.value)} />}</Field>;
}
function NameForm() {
  const was = me.value?.user.name ?? '', sending = useSending(['name'], 'name'), [name, setName] = useState(was);
  const submit = (): Promise<boolean> => sending.run(async () => {
    await api<'updateMe'>('PATCH', '/v1/me', { name: name.trim() });
    await load();
  });
  return (
    <Form sending={sending} action="Save" done="Saved." isReady={name.trim() !== was} onSubmit={() => void submit()}>
      <Field name="name" label="Name" hint={`You sign in as ${me.value?.user.email ?? ''}.`} error={sending.of('name')}>{(c) => <input {...c} autocomplete="name" value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
    </Form>
  );
}
function PasswordForm() {
  const sending = useSending(['current', 'new'], (slug) => (slug === 'proof' ? 'current' : slug === 'invalid' ? 'new' : '')), [current, setCurrent] = useState(''), [next, setNext] = useState('');
  const submit = (): Promise<boolean> => sending.run(async () => {
    await api<'changePassword'>('POST', '/v1/me/password', { current, new: next });
    setCurrent('');
    setNext('');
  });
  return (
    <Form sending={sending} action="Change the password" done="Changed. Your other sessions have ended." onSubmit={() => void submit()}>
      <Password name="current" label="The password now" value={current} error={sending.of('current')} onInput={setCurrent} />
      <Password name="new" label="A new password" hint="10 characters or more. Your other sessions end." value={next} isNew error={sending.of('new')} onInput={setNext} />
    </Form>
  );
}
/** What locks others out asks for the password again. */
function Prove({ title, action, text, isDangerous, run, onClose }: { title: string; action: string; text: string; isDangerous?: boolean; run: (password: string) => Promise<void>; onClose: () => void }) {
  const sending = useSending(['password'], 'password'), [password, setPassword] = useState('');
  return (
    <Dialog title={title} onClose={onClose}>
      <Form sending={sending} action={action} isDangerous={isDangerous ?? false} cancel={onClose} onSubmit={() => void sending.run(() => run(password))}>
        <p>{text}</p>
        <Password name="password" label="Your password" value={password} error={sending.of('password')} onInput={setPassword} />
      </Form>
    </Dialog>
  );
}
function RecoveryCodes({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  return (
    <Dialog title="Recovery codes" onClose={onClose}>
      <div class="form">
        <p>Each signs you in once in place of a code of the app. They are shown this once: keep them where you keep passwords.</p>
        <Copy text={codes.join('\n')} />
        <div class="form-end"><button type="button" class="button primary" onClick={onClose}>Done</button></div>
      </div>
    </Dialog>
  );
}
function Enrol({ secret, uri, onDone, onClose }: { secret: string; uri: string; onDone: (codes: string[]) => void; onClose: () => void }) {
  const sending = useSending(['code'], 'code'), [code, setCode] = useState('');
  const submit = (): Promise<boolean> => sending.run(async () => { onDone((await api<'confirmSecondFactor'>('POST', '/v1/me/totp/confirm', { code: code.trim() })).recovery_codes); });
  return (
    <Dialog title="A second factor" onClose={onClose}>
      <Form sending={sending} action="Confirm" cancel={onClose} onSubmit={() => void submit()}>
        <p>Read this with an authenticator app, or <a href={uri}>open it in one</a>, or type the secret into it.</p>
        <QrCode text={uri} label="The address of the second factor as a QR code" />
        <Copy text={secret} />
        <Field name="code" label="The code that the app shows" error={sending.of('code')}>{(c) => <input {...c} class="short" inputMode="numeric" autocomplete="one-time-code" value={code} onInput={(e) => setCode(e.currentTarget.value)} />}</Field>
      </Form>
    </Dialog>
  );
}
type Open = 'prove' | 'renew' | 'remove' | { secret: string; uri: string } | { codes: string[] };
function SecondFactor() {
  const [open, setOpen] = useState<Open | null>(null), close = (): void => setOpen(null), has = me.value?.user.has_second_factor ?? false, left = me.value?.recovery_codes_left ?? 0;
  const showCodes = (codes: string[]): void => { setOpen({ codes }); void load(); };
  return (
    <section class="card" aria-label="Second factor">
      <h2>Second factor</h2>
      <p class="muted">{has ? `Signing in asks for a code of your app as well. ${left === 1 ? 'One recovery code is left.' : `${left} recovery codes are left.`}` : 'A code of an app on your phone, asked for after the password.'}</p>
      <div class="form-end spaced">
        {!has && <button type="button" class="button" onClick={() => setOpen('prove')}>Set up …</button>}
        {has && <button type="button" class="button" onClick={() => setOpen('renew')}>New recovery codes …</button>}
        {has && <button type="button" class="button danger" onClick={() => setOpen('remove')}>Remove …</button>}
      </div>
      {open === 'prove' && <Prove title="A second factor" action="Go on" text="It is put in force by a code of the app, in the next step." run={async (password) => setOpen(await api<'beginSecondFactor'>('POST', '/v1/me/totp', { password }))} onClose={close} />}
      {open === 'renew' && <Prove title="New recovery codes" action="Make them" text="The ones that are left stop working." run={async (password) => showCodes((await api<'renewRecoveryCodes'>('POST', '/v1/me/recovery-codes', { password })).recovery_codes)} onClose={close} />}
      {open === 'remove' && <Prove title="Remove the second factor?" action="Remove" isDangerous text="From then on the password alone signs you in." run={async (password) => { await api<'removeSecondFactor'>('DELETE', '/v1/me/totp', { password }); close(); await load(); }} onClose={close} />}
      {open && typeof open !== 'string' && ('codes' in open ? <RecoveryCodes codes={open.codes} onClose={close} /> : <Enrol secret={open.secret} uri={open.uri} onDone={showCodes} onClose={close} />)}
    </section>
  );
}
const WAYS: Record<string, string> = { password: 'Password', 'password+totp': 'Password and code', oidc: 'Provider' };
/** "Chrome on Windows": enough to know one's own by. */
function program(agent: string): string {
  const name = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec(agent)?.[1], system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(agent)?.[1];
  return name ? `${{ Edg: 'Edge', OPR: 'Opera' }[name] ?? name}${system ? ` on ${system.replace('Mac OS X', 'macOS')}` : ''}` : agent.split(' ')[0] || 'Not known';
}
function Sessions() {
  const sessions = usePages('sessions', listed<Session>('/v1/me/sessions')), [open, setOpen] = useState<Session | 'all' | null>(null);
  const columns: Column<Session>[] = [
    { text: 'Program', cell: (s) => <span title={s.user_agent}>{program(s.user_agent)}{s.is_current && <span class="muted"> (this one)</span>}</span> },
    { text: 'Address', cell: (s) => s.address },
    { text: 'Signed in', cell: (s) => when(s.created_at) },
    { text: 'By', cell: (s) => WAYS[s.authenticated_by] ?? s.authenticated_by },
    { text: 'Last seen', cell: (s) => when(s.last_seen_at) },
    { text: 'Actions', isHidden: true, isNumber: true, cell: (s) => !s.is_current && <button type="button" class="link bad" aria-label={`End the session of ${program(s.user_agent)}, ${when(s.created_at)}`} onClick={() => setOpen(s)}>End</button> },
  ];
  return (
    <section class="card" aria-label="Sessions">
      <header class="card-head"><h2>Where you are signed in</h2><button type="button" class="button" onClick={() => setOpen('all')}>Sign out everywhere …</button></header>
      <Table label="Sessions" of={sessions} columns={columns} nothing="Nowhere." />
      {open === 'all' && <Confirm title="Sign out everywhere?" action="Sign out" run={async () => { await api<'logoutEverywhere'>('POST', '/v1/logout/everywhere'); me.value = null; }} onClose={() => setOpen(null)}><p>All your sessions end, this one as well.</p></Confirm>}
      {open && open !== 'all' && <Confirm title="End this session?" action="End it" run={async () => { await api<'endSession'>('DELETE', `/v1/me/sessions/${open.id}`); sessions.retry(); }} onClose={() => setOpen(null)}><p>{program(open.user_agent)}, {open.address}, signed in {when(open.created_at)}: whoever has it open has to sign in again.</p></Confirm>}
    </section>
  );
}
function Organisations() {
  const [open, setOpen] = useState<Membership | null>(null);
  const columns: Column<Membership>[] = [
    { text: 'Organisation', cell: (m) => m.name },
    { text: 'Role', cell: (m) => m.role },
    { text: 'Actions', isHidden: true, isNumber: true, cell: (m) => <button type="button" class="link bad" aria-label={`Leave ${m.name}`} onClick={() => setOpen(m)}>Leave</button> },
  ];
  return (
    <section class="card" aria-label="Organisations">
      <h2>Organisations</h2>
      <Table label="Organisations" of={{ value: me.value?.memberships.data ?? [], error: '', isLoading: false, more: null, retry: () => undefined }} columns={columns} nothing="You are not a member of any organisation." />
      {open && <Confirm title={`Leave ${open.name}?`} action="Leave" run={async () => { await api<'leaveOrg'>('POST', `/v1/orgs/${open.id}/leave`); await load(); }} onClose={() => setOpen(null)}><p>You see nothing of it from then on, until somebody invites you again.</p></Confirm>}
    </section>
  );
}
export function ProfilePage() {
  return (
    <>
      <h1>Profile</h1>
      <div class="pair">
        <section class="card" aria-label="Account"><h2>Account</h2><NameForm /></section>
        <SecondFactor />
      </div>
      <section class="card" aria-label="Password"><h2>Password</h2><PasswordForm /></section>
      <Sessions />
      <Organisations />
    </>
  );
}
