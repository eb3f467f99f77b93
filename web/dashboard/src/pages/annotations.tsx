import { useState } from 'preact/hooks';
import { when } from '../format.ts';
import type { ProjectOf } from '../session.ts';
import { Definitions, save, type Definition, type EditorOf } from '../ui/definitions.tsx';
import { Dialog, Field, Form, useSending } from '../ui/form.tsx';
import { atText, type Annotation } from '../ui/marks.ts';

type Kept = Annotation & Definition;
function Editor({ of, path, onDone, onClose }: EditorOf<Kept>) {
  const sending = useSending(['at', 'text', 'kind'], (slug) => (slug === 'invalid' ? 'text' : ''));
  const [at, setAt] = useState(of?.at ?? new Date().toISOString().slice(0, 10)), [text, setText] = useState(of?.text ?? ''), [kind, setKind] = useState(of?.kind ?? ''), isDay = at.length <= 10;
  const submit = async (): Promise<void> => { if (await sending.run(async () => { await save(path, of, { at, text: text.trim(), kind: kind.trim() }); })) onDone(); };
  return (
    <Dialog title={of ? 'Change the annotation' : 'New annotation'} onClose={onClose}>
      <Form sending={sending} action="Save" cancel={onClose} onSubmit={() => void submit()}>
        <Field name="at" label="When" hint={isDay ? 'A day, in whatever time zone a chart has.' : 'An instant: 2026-01-31T12:00:00Z.'} error={sending.of('at')}>{(c) => (isDay ? <input {...c} type="date" class="medium" value={at} onInput={(e) => setAt(e.currentTarget.value)} /> : <input {...c} value={at} onInput={(e) => setAt(e.currentTarget.value)} />)}</Field>
        <Field name="text" label="What happened" error={sending.of('text')}>{(c) => <textarea {...c} rows={2} autofocus value={text} onInput={(e) => setText(e.currentTarget.value)} />}</Field>
        <Field name="kind" label="Kind" hint="A word to tell them apart by: release, campaign. Or nothing." error={sending.of('kind')}>{(c) => <input {...c} class="medium" value={kind} onInput={(e) => setKind(e.currentTarget.value)} />}</Field>
      </Form>
    </Dialog>
  );
}
export function AnnotationsPage({ project }: { project: ProjectOf }) {
  return (
    <>
      <h1 class="hidden">Annotations of {project.name}</h1>
      <Definitions<Kept>
        project={project} title="Annotations" one="annotation" path={`/v1/projects/${project.id}/annotations`} Editor={Editor} nameOf={(a) => a.text}
        about="What happened and when, marked on the overview’s chart."
        columns={[
          { text: 'What', cell: (a) => <span class="wrap">{a.text}</span> },
          { text: 'When', cell: (a) => atText(a.at, project.time_zone) },
          { text: 'Kind', cell: (a) => a.kind || '–' },
          { text: 'Changed', cell: (a) => when(a.updated_at, project.time_zone) },
        ]}
        nothing="None yet. A release, a campaign, an outage: what one wants to see beside the numbers."
      />
    </>
  );
}
