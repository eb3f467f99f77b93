import { useState } from 'preact/hooks';
import { api, ApiError } from '../api.ts';
import { useLoad } from '../load.ts';
import { load } from '../session.ts';
import { Link } from '../ui/parts.tsx';

/** What the provider's sign-in ended with (docs/access.md), as the address tells it. */
const ENDS: Record<string, string> = {
  'begin-again': 'That sign-in took too long, or was begun in another browser. Try again.',
  refused: 'The provider did not let you sign in here, or you have no account here and were not invited.',
  failed: 'The provider could not be asked. Try again later, or sign in with your password.',
};
function Provider({ name }: { name: string }) {
  const to = new URL(location.href);
  to.searchParams.delete('sign_in');
  return <a class="button" href={`/v1/login/oidc?return_to=${encodeURIComponent(to.pathname + to.search)}`}>Sign in with {name}</a>;
}

export function LoginPage() {
  const methods = useLoad('login methods', (signal) => api<'listLoginMethods'>('GET', '/v1/login/methods', undefined, signal));
  const [email, setEmail] = useState(''), [password, setPassword] = useState(''), [code, setCode] = useState('');
  const [needsCode, setNeedsCode] = useState(false), [error, setError] = useState(ENDS[new URLSearchParams(location.search).get('sign_in') ?? ''] ?? ''), [isBusy, setBusy] = useState(false);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    setError('');
    try {
      await api<'login'>('POST', '/v1/login', { email, password, ...(needsCode ? { second_factor: code.trim() } : {}) });
      await load();
    } catch (failed) {
      if (failed instanceof ApiError && failed.slug === 'second-factor' && !needsCode) setNeedsCode(true);
      else setError(failed instanceof Error ? failed.message : String(failed));
    }
    setBusy(false);
  };
  if (methods.isLoading) return <main class="login" aria-busy="true" />; // with or without a provider: nothing moves then
  return (
    <main class="login">
      <form class="card" onSubmit={submit}>
        <h1 class="brand">weir</h1>
        <label>E-mail<input type="email" name="email" autocomplete="username" required autofocus value={email} onInput={(e) => setEmail(e.currentTarget.value)} /></label>
        <label>Password<input type="password" name="password" autocomplete="current-password" required value={password} onInput={(e) => setPassword(e.currentTarget.value)} /></label>
        {needsCode && <label>Code of your app, or a recovery code<input name="code" autocomplete="one-time-code" required autofocus value={code} onInput={(e) => setCode(e.currentTarget.value)} /></label>}
        {error && <p class="error" role="alert">{error}</p>}
        <button class="button primary" disabled={isBusy}>Sign in</button>
        {methods.value?.oidc && <Provider name={methods.value.oidc.name} />}
        <p><Link to="/app/reset-password">Forgot the password?</Link></p>
        <p class="muted">The first person's password is in <code>credentials.json</code> in the data folder.</p>
      </form>
    </main>
  );
}
