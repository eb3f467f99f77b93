import { useState } from 'preact/hooks';
import { api, ApiError } from '../api.ts';
import { load } from '../session.ts';
import { Link } from '../ui/parts.tsx';

export function LoginPage() {
  const [email, setEmail] = useState(''), [password, setPassword] = useState(''), [code, setCode] = useState('');
  const [needsCode, setNeedsCode] = useState(false), [error, setError] = useState(''), [isBusy, setBusy] = useState(false);
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
  return (
    <main class="login">
      <form class="card" onSubmit={submit}>
        <h1 class="brand">weir</h1>
        <label>E-mail<input type="email" name="email" autocomplete="username" required autofocus value={email} onInput={(e) => setEmail(e.currentTarget.value)} /></label>
        <label>Password<input type="password" name="password" autocomplete="current-password" required value={password} onInput={(e) => setPassword(e.currentTarget.value)} /></label>
        {needsCode && <label>Code of your app, or a recovery code<input name="code" autocomplete="one-time-code" required autofocus value={code} onInput={(e) => setCode(e.currentTarget.value)} /></label>}
        {error && <p class="error" role="alert">{error}</p>}
        <button class="button primary" disabled={isBusy}>Sign in</button>
        <p><Link to="/app/reset-password">Forgot the password?</Link></p>
        <p class="muted">The first person's password is in <code>credentials.json</code> in the data folder.</p>
      </form>
    </main>
  );
}
