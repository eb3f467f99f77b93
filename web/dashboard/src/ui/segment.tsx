// Stored segments and cohorts where reports are: choosing one, keeping the filters of now as one.
import { listed } from '../api.ts';
import { useLoad } from '../load.ts';
import { filters, filterText, go, toggleFilter } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Failure, Link, Menu } from './parts.tsx';

const KINDS = [['segment', 'Segments'], ['cohort', 'Cohorts']] as const;
type Kind = (typeof KINDS)[number][0];
/** To the overview of this segment or cohort alone. */
export const LookAt = ({ project, field, name }: { project: ProjectOf; field: Kind; name: string }) => <Link to={`/app/${project.id}/overview?${new URLSearchParams({ f: filterText(['is', field, [name]]) })}`} class="link" aria-label={`Look at ${name}`}>Look</Link>;

function Choices({ project, kind, text, close }: { project: ProjectOf; kind: Kind; text: string; close: () => void }) {
  const path = `/v1/projects/${project.id}/${kind}s`, { value, error, retry } = useLoad(path, (signal) => listed<{ id: string; name: string }>(path)(null, signal));
  if (error) return <Failure text={error} retry={retry} />;
  return (
    <>
      <div class="menu-text">{text}</div>
      {value?.rows.map((d) => <button key={d.id} type="button" aria-current={filters.value.some(([o, f, v]) => o === 'is' && f === kind && v[0] === d.name)} onClick={() => { toggleFilter(kind, d.name); close(); }}>{d.name}</button>)}
      {value && !value.rows.length && <Link to={`/app/${project.id}/${kind}s`}>None yet</Link>}
    </>
  );
}
export function SegmentMenu({ project }: { project: ProjectOf }) {
  return <Menu label="Segments and cohorts" text="Segments">{(close) => KINDS.map(([kind, text]) => <Choices key={kind} project={project} kind={kind} text={text} close={close} />)}</Menu>;
}
/** The filters of now as a segment, or as a cohort of who has such events. */
export function SaveMenu({ project }: { project: ProjectOf }) {
  const to = (page: string): string => `/app/${project.id}/${page}?${new URLSearchParams([['new', ''], ...filters.value.map((f) => ['f', filterText(f)])])}`;
  return <Menu label="Save as …: keep these filters" text="Save as …">{() => KINDS.map(([kind]) => <button key={kind} type="button" onClick={() => go(to(`${kind}s`))}>A {kind}</button>)}</Menu>;
}
