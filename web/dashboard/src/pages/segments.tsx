import { useState } from 'preact/hooks';
import type { Segment } from '../api.ts';
import { when } from '../format.ts';
import { filters as inAddress, param } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Definitions, save, type EditorOf } from '../ui/definitions.tsx';
import { FilterEditor, filtersOf, filtersText, type Filters } from '../ui/filter.tsx';
import { Dialog, Field, Fields, Form, useSending } from '../ui/form.tsx';
import { LookAt } from '../ui/segment.tsx';

const WHO = [['project', 'Everybody who sees the project'], ['personal', 'Only me']] as const;

function Editor({ project, of, path, onDone, onClose }: EditorOf<Segment>) {
  const sending = useSending(['name', 'filters', 'visibility'], (slug) => (slug === 'exists' ? 'name' : ''));
  const [name, setName] = useState(of?.name ?? ''), [filters, setFilters] = useState<Filters>(of?.filters ?? (param('new') === null ? [] : inAddress.value)), [visibility, setVisibility] = useState<string>(of?.visibility ?? 'project');
  const submit = async (): Promise<void> => { if (await sending.run(async () => { await save(path, of, { name: name.trim(), filters: filtersOf(filters), visibility }); })) onDone(); };
  return (
    <Dialog title={of ? 'Change the segment' : 'New segment'} kind="wide" onClose={onClose}>
      <Form sending={sending} action="Save" cancel={onClose} onSubmit={() => void submit()}>
        <Field name="name" label="Name" error={sending.of('name')}>{(c) => <input {...c} autofocus value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
        <Fields label="Filters" hint="All of them have to fit." error={sending.of('filters')}><FilterEditor project={project} value={filters} isInvalid={!!sending.of('filters')} onChange={setFilters} /></Fields>
        <Field name="visibility" label="For" error={sending.of('visibility')}>{(c) => <select {...c} value={visibility} onChange={(e) => setVisibility(e.currentTarget.value)}>{WHO.map(([v, text]) => <option key={v} value={v}>{text}</option>)}</select>}</Field>
      </Form>
    </Dialog>
  );
}
export function SegmentsPage({ project }: { project: ProjectOf }) {
  return (
    <>
      <h1 class="hidden">Segments of {project.name}</h1>
      <Definitions<Segment>
        project={project} title="Segments" one="segment" path={`/v1/projects/${project.id}/segments`} isNewInAddress Editor={Editor} nameOf={(s) => s.name}
        about="Filters with a name, for every report."
        columns={[
          { text: 'Name', cell: (s) => s.name },
          { text: 'Filters', cell: (s) => <span class="wrap">{filtersText(s.filters)}</span> },
          { text: 'For', cell: (s) => (s.visibility === 'personal' ? 'Only you' : 'Everybody') },
          { text: 'Changed', cell: (s) => when(s.updated_at, project.time_zone) },
        ]}
        nothing="None yet. Filter a report and choose “Save as …”, or begin here."
        more={(s) => <LookAt project={project} field="segment" name={s.name} />}
      />
    </>
  );
}
