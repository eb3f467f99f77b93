// Who belongs to the organisation, with what role, and who is invited.
import { useState } from 'preact/hooks';
import { call, listed, type AnswerOf, type Invitation, type Member } from '../api.ts';
import { when } from '../format.ts';
import { usePages } from '../load.ts';
import { me, type ProjectOf } from '../session.ts';
import { Confirm, Dialog, Field, Form, useSending } from '../ui/form.tsx';
import { Copy } from '../ui/parts.tsx';
import { Table, type Column } from '../ui/table.tsx';

const ROLES = [
  ['viewer', 'Viewer', 'looks at numbers'], ['analyst', 'Analyst', 'also keeps segments, cohorts, goals, alerts and reports'], ['admin', 'Admin', 'also changes projects, keys and the team'],
  ['owner', 'Owner', 'also makes owners'], ['auditor', 'Auditor', 'reads the audit log and sees no numbers'],
] as const;
const roleText = (role: string): string => ROLES.find(([r]) => r === role)?.[1] ?? role;
const personText = (m: Member): string => m.name || m.email;

function RoleSelect({ of, path, mayOwn, onDone }: { of: Member; path: string; mayOwn: boolean; onDone: () => void }) {
  const sending = useSending(['role']);
  const change = async (select: HTMLSelectElement): Promise<void> => {
    if (await sending.run(async () => { await call('PATCH', `${path}/${of.id}`, { role: select.value }); })) onDone();
    else select.value = of.role;
  };
  if (of.role === 'owner' && !mayOwn) return <>{roleText(of.role)}</>;
  return (
    <>
      <select aria-label={`Role of ${personText(of)}`} value={of.role} disabled={sending.isBusy} onChange={(e) => void change(e.currentTarget)}>{ROLES.filter(([r]) => mayOwn || r !== 'owner').map(([r, text]) => <option key={r} value={r}>{text}</option>)}</select>
      {(sending.rest || sending.of('role')) && <p class="error wrap" role="alert">{sending.rest || sending.of('role')}</p>}
    </>
  );
}
function Invite({ path, mayOwn, onMade, onClose }: { path: string; mayOwn: boolean; onMade: () => void; onClose: () => void }) {
  const sending = useSending(['email', 'role'], 'email'), [email, setEmail] = useState(''), [role, setRole] = useState('viewer'), [token, setToken] = useState('');
  const submit = (): Promise<boolean> => sending.run(async () => {
    const made = await call<AnswerOf<'invite'>>('POST', path, { email: email.trim(), role });
    setToken(made.token);
    onMade();
  });
  if (token) {
    return (
      <Dialog title={`An invitation for ${email.trim()}`} onClose={onClose}>
        <div class="form">
          <p>Send this link to {email.trim()}. It is shown this once, works once, and for seven days.</p>
          <Copy text={`${location.origin}/app/invitation#token=${token}`} />
          <div class="form-end"><button type="button" class="button primary" onClick={onClose}>Done</button></div>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Invite somebody" onClose={onClose}>
      <Form sending={sending} action="Make the invitation" cancel={onClose} onSubmit={() => void submit()}>
        <Field name="email" label="E-mail address" error={sending.of('email')}>{(c) => <input {...c} type="email" autofocus autocomplete="off" value={email} onInput={(e) => setEmail(e.currentTarget.value)} />}</Field>
        <fieldset class="checks">
          <legend>Role</legend>
          {ROLES.filter(([r]) => mayOwn || r !== 'owner').map(([r, text, about]) => <label key={r}><input type="radio" name="role" value={r} checked={r === role} onChange={() => setRole(r)} /><span><b>{text}</b> {about}</span></label>)}
        </fieldset>
      </Form>
    </Dialog>
  );
}
export function Team({ project }: { project: ProjectOf }) {
  const org = `/v1/orgs/${project.org}`, may = project.permissions.includes('members:write'), mayOwn = project.permissions.includes('org:own');
  const members = usePages(`${org}/members`, listed<Member>(`${org}/members`)), invitations = usePages(`${org}/invitations`, listed<Invitation>(`${org}/invitations`));
  const [open, setOpen] = useState<'invite' | Member | Invitation | null>(null);
  const isMe = (m: Member): boolean => m.id === me.value?.user.id;
  const columns: Column<Member>[] = [
    { text: 'Name', cell: (m) => <>{personText(m)}{isMe(m) && <span class="muted"> (you)</span>}</> },
    { text: 'E-mail', cell: (m) => m.email },
    { text: 'Role', cell: (m) => (may ? <RoleSelect key={m.role} of={m} path={`${org}/members`} mayOwn={mayOwn} onDone={members.retry} /> : roleText(m.role)) },
    { text: 'Since', cell: (m) => when(m.created_at, project.time_zone) },
    { text: 'Actions', isHidden: true, isNumber: true, cell: (m) => may && !isMe(m) && (mayOwn || m.role !== 'owner') && <button type="button" class="link bad" aria-label={`Remove ${personText(m)}`} onClick={() => setOpen(m)}>Remove</button> },
  ];
  const isOpen = (i: Invitation): boolean => !i.accepted_at && !i.revoked_at && Date.parse(i.expires_at) > Date.now();
  const invited: Column<Invitation>[] = [
    { text: 'E-mail', cell: (i) => i.email },
    { text: 'Role', cell: (i) => roleText(i.role) },
    { text: 'State', cell: (i) => (i.accepted_at ? `Accepted ${when(i.accepted_at, project.time_zone)}` : i.revoked_at ? 'Withdrawn' : isOpen(i) ? `Open until ${when(i.expires_at, project.time_zone)}` : 'Ended') },
    { text: 'Actions', isHidden: true, isNumber: true, cell: (i) => isOpen(i) && <button type="button" class="link bad" aria-label={`Withdraw the invitation of ${i.email}`} onClick={() => setOpen(i)}>Withdraw</button> },
  ];
  return (
    <>
      <section class="card" aria-label="Members">
        <header class="card-head"><h2>Members</h2>{may && <button type="button" class="button primary" onClick={() => setOpen('invite')}>Invite …</button>}</header>
        <Table label="Members" of={members} columns={columns} nothing="Nobody." />
      </section>
      {may && <section class="card" aria-label="Invitations"><h2>Invitations</h2><Table label="Invitations" of={invitations} columns={invited} nothing="Nobody is invited." isMuted={(i) => !isOpen(i)} /></section>}
      {open === 'invite' && <Invite path={`${org}/invitations`} mayOwn={mayOwn} onMade={invitations.retry} onClose={() => setOpen(null)} />}
      {open && open !== 'invite' && ('expires_at' in open ? (
        <Confirm title={`Withdraw the invitation of ${open.email}?`} action="Withdraw" run={async () => { await call('DELETE', `${org}/invitations/${open.id}`); invitations.retry(); }} onClose={() => setOpen(null)}><p>Its link stops working.</p></Confirm>
      ) : (
        <Confirm title={`Remove ${personText(open)}?`} action="Remove" run={async () => { await call('DELETE', `${org}/members/${open.id}`); members.retry(); }} onClose={() => setOpen(null)}><p>{open.email} sees nothing of this organisation from now on. Keys that they made go on working.</p></Confirm>
      ))}
    </>
  );
}
