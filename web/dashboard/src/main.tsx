import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import './style.css';
import { filters, go, kept, page, projectId, setFilters } from './location.ts';
import { name } from './format.ts';
import { failure, load, me, project, projects, signOut } from './session.ts';
import { ThemeButton } from './ui/theme.tsx';
import { Failure, Link, Menu } from './ui/parts.tsx';
import { CompareMenu, RangeMenu } from './ui/range.tsx';
import { LoginPage } from './pages/login.tsx';
import { FunnelPage } from './pages/funnel.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { PathsPage } from './pages/paths.tsx';
import { RetentionPage } from './pages/retention.tsx';

const PAGES = [['overview', 'Overview', OverviewPage], ['funnel', 'Funnel', FunnelPage], ['retention', 'Retention', RetentionPage], ['paths', 'Paths', PathsPage]] as const;

function ProjectMenu() {
  return (
    <Menu label={`Project: ${project.value?.name ?? ''}`} text={project.value?.name ?? 'Project'}>
      {(close) => projects.value.map((p) => <button key={p.id} type="button" aria-current={p.id === projectId.value} onClick={() => { go(`/app/${p.id}/${page.value}`); close(); }}>{p.name}</button>)}
    </Menu>
  );
}
function PersonMenu() {
  return (
    <Menu label={`Account: ${me.value?.user.name || me.value?.user.email || ''}`} text={me.value?.user.name || me.value?.user.email || ''}>
      {() => <><div class="menu-text">{me.value?.user.email}</div><button type="button" onClick={signOut}>Sign out</button></>}
    </Menu>
  );
}
function FilterList() {
  if (!filters.value.length) return null;
  return (
    <ul class="filters" aria-label="Filters">
      {filters.value.map((f, i) => (
        <li key={i}>
          <span>{f[1].replace(/_/g, ' ')} {f[0].replace(/_/g, ' ')} <b>{f[2].map((v) => name(f[1], v)).join(', ')}</b></span>
          <button type="button" aria-label={`Remove the filter ${f[1]}`} onClick={() => setFilters(filters.value.filter((_f, n) => n !== i))}>×</button>
        </li>
      ))}
      <li class="plain"><button type="button" onClick={() => setFilters([])}>Clear all</button></li>
    </ul>
  );
}
function Shell() {
  useEffect(() => {
    const first = projects.value[0];
    if (!project.value && first) go(`/app/${first.id}/overview`, { replace: true });
  }, [project.value, projects.value]);
  useEffect(() => { document.title = project.value ? `${project.value.name} · weir` : 'weir'; }, [project.value]);
  const p = project.value, Shown = PAGES.find(([id]) => id === page.value)?.[2];
  return (
    <>
      <a class="skip" href="#main">To the numbers</a>
      <header class="top">
        <Link to="/app" class="brand">weir</Link>
        <ProjectMenu />
        <nav aria-label="Pages">{PAGES.map(([id, text]) => <Link key={id} to={p ? `/app/${p.id}/${id}${kept()}` : '/app'} aria-current={id === page.value ? 'page' : undefined}>{text}</Link>)}</nav>
        <div class="top-end"><ThemeButton /><PersonMenu /></div>
      </header>
      <main id="main" tabIndex={-1}>
        {!projects.value.length && <p class="card">You are not a member of any organisation with a project yet.</p>}
        {p && !p.permissions.includes('stats:read') && <p class="card">Your role in this organisation does not show numbers.</p>}
        {p && p.permissions.includes('stats:read') && (
          <>
            <div class="tools"><FilterList /><div class="tools-end"><RangeMenu />{page.value === 'overview' && <CompareMenu />}</div></div>
            {Shown ? <Shown key={p.id} project={p} /> : <p class="card">There is no such page. <Link to={`/app/${p.id}/overview`}>To the overview</Link></p>}
          </>
        )}
      </main>
    </>
  );
}
function App() {
  if (failure.value) return <main class="login"><Failure text={failure.value} retry={() => void load()} /></main>;
  if (me.value === undefined) return <main class="login" aria-busy="true" />;
  return me.value ? <Shell /> : <LoginPage />;
}
void load();
render(<App />, document.getElementById('app') as HTMLElement);
