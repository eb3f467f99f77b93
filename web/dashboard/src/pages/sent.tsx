// Where links lead that were sent to somebody: an invitation, a new password. They need no session.
import { useState } from 'preact/hooks';
import { api, type AnswerOf } from '../api.ts';
import { useLoad } from '../load.ts';
import { go } from '../location.ts';
import { load, me } from '../session.ts';
import { Field, Form, useSending } from '../ui/form.tsx';
import { Failure, Link } from '../ui/parts.tsx';
import { LoginPage } from './login.tsx';

// Behind '#', so that no server and no other page is told it.
const token = (): string => new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
const enter = async (): Promise<void> => {
  await load();
  go('/app', { replace: true });
};
type Offer = AnswerOf<'lookupInvitation'>;

function Accept({ offer }: { offer: Offer }) {
  const user = me.value?.user, [isSignIn, setSignIn] = useState(false), sending = useSending(['name', 'password'], user ? '' : 'password'), [name, setName] = useState(''), [password, setPassword] = useState('');
  if (isSignIn && !user) return <LoginPage />;
  const submit = (): Promise<boolean> => sending.run(async () => {
    await api<'acceptInvitation'>('POST', '/v1/invitations/accept', { token: token(), ...(user ? {} : { name: name.trim(), password }) });
    await enter();
  });
  return (
    <main class="login">
      <div class="card">
        <h1 class="brand">weir</h1>
        <Form sending={sending} action={user ? 'Accept' : 'Make the account'} onSubmit={() => void submit()}>
          <p>You are invited to <b>{offer.organisation.name}</b> as {offer.role}, as {offer.email}.</p>
          {user ? <p class="muted">You are signed in as {user.email}.</p> : (
            <>
              <Field name="name" label="Your name" error={sending.of('name')}>{(c) => <input {...c} autocomplete="name" autofocus value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
              <Field name="password" label="A password" hint="10 characters or more." error={sending.of('password')}>{(c) => <input {...c} type="password" autocomplete="new-password" value={password} onInput={(e) => setPassword(e.currentTarget.value)} />}</Field>
              <input type="hidden" autocomplete="username" value={offer.email} />
            </>
          )}
        </Form>
        {!user && <p><button type="button" class="link" onClick={() => setSignIn(true)}>I have an account: sign in first</button></p>}
      </div>
    </main>
  );
}
export function InvitationPage() {
  const { value, error, retry } = useLoad(token(), () => api<'lookupInvitation'>('POST', '/v1/invitations/lookup', { token: token() }));
  if (error) return <main class="login"><div class="card"><h1 class="brand">weir</h1><Failure text="This invitation is over, was used, or was withdrawn. Ask for another one." retry={retry} /><p><Link to="/app">To weir</Link></p></div></main>;
  return value ? <Accept offer={value} /> : <main class="login" aria-busy="true" />;
}
function Ask() {
  const sending = useSending(['email'], 'email'), [email, setEmail] = useState('');
  const submit = (): Promise<boolean> => sending.run(async () => { await api<'askPasswordReset'>('POST', '/v1/password-reset', { email: email.trim() }); });
  return (
    <Form sending={sending} action="Send a link" done="If there is an account of that address, a link is on its way to it." onSubmit={() => void submit()}>
      <Field name="email" label="E-mail" hint="Where no mail is set up, whoever runs the server makes a link: weir user reset-link." error={sending.of('email')}>{(c) => <input {...c} type="email" autocomplete="username" autofocus value={email} onInput={(e) => setEmail(e.currentTarget.value)} />}</Field>
    </Form>
  );
}
function Redeem() {
  const sending = useSending(['password'], 'password'), [password, setPassword] = useState('');
  const submit = (): Promise<boolean> => sending.run(async () => {
    await api<'redeemPasswordReset'>('POST', '/v1/password-reset/redeem', { token: token(), password });
    await enter();
  });
  return (
    <Form sending={sending} action="Set the password" onSubmit={() => void submit()}>
      <Field name="password" label="A new password" hint="10 characters or more." error={sending.of('password')}>{(c) => <input {...c} type="password" autocomplete="new-password" autofocus value={password} onInput={(e) => setPassword(e.currentTarget.value)} />}</Field>
    </Form>
  );
}
export const ResetPage = () => <main class="login"><div class="card"><h1 class="brand">weir</h1>{token() ? <Redeem /> : <Ask />}<p><Link to="/app">To signing in</Link></p></div></main>;
