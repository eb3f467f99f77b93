import { render, type ComponentChildren, type ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import './style.css';
import './more.css';
import { filters, go, kept, page, pathTo, projectId, setFilters, shared, sharedLink } from './location.ts';
import { name, when } from './format.ts';
import { useLoad } from './load.ts';
import { failure, load, me, project, projects, signOut, type ProjectOf } from './session.ts';
import { ThemeButton } from './ui/theme.tsx';
import { Failure, Link, Menu } from './ui/parts.tsx';
import { COMPARE, compare, CompareMenu, ImportsButton, RangeMenu, rangeOf, rangeText } from './ui/range.tsx';
import { SaveMenu, SegmentMenu } from './ui/segment.tsx';
import { LoginPage } from './pages/login.tsx';
import { GROUPS, mayOpen, PAGES, type PageInfo } from './pages.ts';
import { isMac, overlay, Overlays } from './ui/overlay.tsx';

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
      {(close) => <><div class="menu-text">{me.value?.user.email}</div><button type="button" onClick={() => { go(`/app/${project.value?.id ?? 'me'}/profile`); close(); }}>Profile</button><button type="button" onClick={signOut}>Sign out</button></>}
    </Menu>
  );
}
function FilterList({ of }: { of: ProjectOf }) {
  if (!filters.value.length) return null;
  return (
    <ul class="filters" aria-label="Filters">
      {filters.value.map((f, i) => (
        <li key={i}>
          <span>{f[1].replace(/_/g, ' ')} {f[0].replace(/_/g, ' ')} <b>{f[2].map((v) => name(f[1], v)).join(', ')}</b></span>
          <button type="button" aria-label={`Remove the filter ${f[1]}`} onClick={() => setFilters(filters.value.filter((_f, n) => n !== i))}>×</button>
        </li>
      ))}
      <li class="plain"><button type="button" onClick={() => setFilters([])}>Clear all</button>{of.permissions.includes('definitions:write') && <SaveMenu project={of} />}</li>
    </ul>
  );
}
/** The pages that this person may open; on a narrow screen behind a button. */
function Navigation({ of }: { of: ProjectOf }) {
  const [isOpen, setOpen] = useState(false);
  const open = PAGES.filter((p) => mayOpen(of, p));
  return (
    <div class="side" data-open={isOpen}>
      <button type="button" class="button side-button" aria-expanded={isOpen} aria-controls="pages" onClick={() => setOpen(!isOpen)}>{PAGES.find((p) => p.id === page.value)?.text ?? 'Pages'}<span class="caret" aria-hidden="true" /></button>
      <nav id="pages" aria-label="Pages" onClick={() => setOpen(false)}>
        {GROUPS.map((group) => {
          const here = open.filter((p) => p.group === group);
          return here.length > 0 && (
            <section key={group} aria-label={group}>
              <h2>{group}</h2>
              <ul>{here.map((p) => <li key={p.id}><Link to={pathTo(of.id, p.id) + (p.tools === 'none' ? '' : kept())} aria-current={p.id === page.value ? 'page' : undefined}>{p.text}</Link></li>)}</ul>
            </section>
          );
        })}
      </nav>
    </div>
  );
}
function Shown({ info, project }: { info: PageInfo; project: ProjectOf | null }) {
  const { value: Page, error, retry } = useLoad(info.id, info.load);
  if (error) return <Failure text="This page could not be loaded: the server is not there, or was upgraded since. Load the application anew." retry={retry} />;
  return Page ? <Page project={project as ProjectOf} /> : <div aria-busy="true" />;
}
function Content({ of }: { of: ProjectOf }) {
  const info = PAGES.find((p) => p.id === page.value);
  if (!info) return <p class="card">There is no such page. <Link to={pathTo(of.id, 'overview')}>To the overview</Link></p>;
  if (shared.value && !mayOpen(of, info)) return <p class="card">This link does not show {info.text.toLowerCase()}.</p>;
  if (info.needs && !of.permissions.includes(info.needs)) return <p class="card">Your role in this organisation does not show {info.needs === 'stats:read' ? 'numbers' : 'this page'}.</p>;
  return (
    <>
      <p class="on-paper"><b>{info.text}</b> of {of.name}{info.tools !== 'none' && `, ${rangeText(rangeOf())}`}{info.tools === 'compare' && compare() && `, with the ${COMPARE.find(([c]) => c === compare())?.[1].toLowerCase()}`}, as of {when(new Date().toISOString(), of.time_zone)}</p>
      {info.tools !== 'none' && <div class="tools"><FilterList of={of} /><div class="tools-end">{!shared.value && <SegmentMenu project={of} />}<RangeMenu />{info.tools === 'compare' && <CompareMenu />}{info.id === 'overview' && <ImportsButton />}</div></div>}
      <Shown key={`${of.id} ${info.id}`} info={info} project={of} />
    </>
  );
}
/** For who has none: a first one, if some organisation lets them make it. */
function NoProject() {
  const org = me.value?.memberships.data.find((m) => m.permissions.includes('projects:write')), [isNew, setNew] = useState(false);
  const { value: New } = useLoad(`new ${isNew}`, async () => (isNew ? (await import('./pages/settings_org.tsx')).NewProject : undefined));
  if (!org) return <p class="card">You are not a member of any organisation with a project yet.</p>;
  return (
    <section class="card row-card" aria-label="No project">
      <p>{org.name} has no project.</p>
      <button type="button" class="button primary" onClick={() => setNew(true)}>New project</button>
      {New && isNew && <New org={org.id} onClose={() => setNew(false)} />}
    </section>
  );
}
/** The list of pages beside one of them; what a shared link shows one page of needs no list. */
function Frame({ of, children }: { of: ProjectOf | undefined; children: ComponentChildren }) {
  const isAlone = shared.value !== null && of !== undefined && PAGES.filter((p) => mayOpen(of, p)).length < 2;
  return <div class={`frame ${isAlone ? 'alone' : ''}`}>{of && !isAlone && <Navigation of={of} />}<main id="main" tabIndex={-1}>{children}</main></div>;
}
function Shared() {
  const { value: Loaded, error, retry } = useLoad('shared', () => import('./ui/shared.tsx').then((m) => m.SharedShell));
  if (error) return <main class="login"><Failure text={error} retry={retry} /></main>;
  return Loaded ? <Loaded>{(of) => <Frame of={of}><Content of={of} /></Frame>}</Loaded> : <main class="login" aria-busy="true" />;
}
function Shell() {
  const p = project.value;
  useEffect(() => {
    const first = projects.value[0];
    if (!p && first) go(`/app/${first.id}/overview`, { replace: true });
  }, [p, projects.value]);
  const own = PAGES.find((x) => x.id === page.value && !x.needs), title = PAGES.find((x) => x.id === page.value)?.text ?? '';
  useEffect(() => { document.title = p ? `${title} · ${p.name} · weir` : 'weir'; }, [p, title]);
  return (
    <>
      <a class="skip" href="#main">To the content</a>
      <header class="top">
        <Link to="/app" class="brand">weir</Link>
        <ProjectMenu />
        <div class="top-end">
          {p && <button type="button" class="button commands" aria-haspopup="dialog" aria-keyshortcuts={isMac ? 'Meta+K' : 'Control+K'} onClick={() => { overlay.value = 'palette'; }}>Go to … <kbd aria-hidden="true">{isMac ? '⌘K' : 'Ctrl K'}</kbd></button>}
          {p?.permissions.includes('shares:write') && <button type="button" class="button" aria-haspopup="dialog" onClick={() => { overlay.value = 'share'; }}>Share</button>}
          <ThemeButton /><PersonMenu />
        </div>
      </header>
      <Frame of={p}>
        {!projects.value.length && (own ? <Shown info={own} project={null} /> : <NoProject />)}
        {p && <Content of={p} />}
      </Frame>
      <Overlays />
    </>
  );
}
/** Where links lead that were sent to somebody: they are asked for no session. */
const SENT: Record<string, () => Promise<ComponentType>> = {
  invitation: () => import('./pages/sent.tsx').then((m) => m.InvitationPage),
  'reset-password': () => import('./pages/sent.tsx').then((m) => m.ResetPage),
};
function Sent({ what }: { what: () => Promise<ComponentType> }) {
  const { value: Page, error, retry } = useLoad(projectId.value, what);
  if (error) return <main class="login"><Failure text="This page could not be loaded: the server is not there." retry={retry} /></main>;
  return Page ? <Page /> : <main class="login" aria-busy="true" />;
}
function App() {
  if (sharedLink.value) return <Shared />;
  if (failure.value) return <main class="login"><Failure text={failure.value} retry={() => void load()} /></main>;
  if (me.value === undefined) return <main class="login" aria-busy="true" />;
  const sent = SENT[projectId.value];
  if (sent) return <Sent what={sent} />;
  return me.value ? <Shell /> : <LoginPage />;
}
if (!sharedLink.value) void load();
render(<App />, document.getElementById('app') as HTMLElement);
