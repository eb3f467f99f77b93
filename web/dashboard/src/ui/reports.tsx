// Saved reports: a question kept by name, to be sent by mail (pages/alerts.tsx). Any page keeps what it asks.
import { useState } from 'preact/hooks';
import { keep, type Report } from '../api.ts';
import type { ProjectOf } from '../session.ts';
import { filtersText } from './filter.tsx';
import { fieldText } from './fields.ts';
import { Definitions, mayDefine, save, type EditorOf } from './definitions.tsx';
import { Dialog, Field, Form, useSending } from './form.tsx';
import { Link } from './parts.tsx';
import { Choice } from './steps.tsx';

export const reportsPath = (project: ProjectOf): `/v1/projects/${string}/reports` => `/v1/projects/${project.id}/reports`;
const useReport = () => useSending(['name', 'question'], (slug) => (slug === 'exists' ? 'name' : ''));

function SaveDialog({ project, of, onClose }: { project: ProjectOf; of: readonly { text: string; question: object }[]; onClose: () => void }) {
  const sending = useReport(), [name, setName] = useState(''), [at, setAt] = useState('0');
  const submit = (): Promise<boolean> => sending.run(async () => { await keep(project.id, name.trim(), of[Number(at)]?.question ?? {}); });
  return (
    <Dialog title="Save a report" onClose={onClose}>
      {sending.isDone ? <div class="prose"><p role="status">“{name.trim()}” is saved. It can be <Link to={`/app/${project.id}/alerts`}>sent by mail</Link>.</p></div> : (
        <Form sending={sending} action="Save" cancel={onClose} onSubmit={() => void submit()}>
          <Field name="name" label="Name" hint="What is asked here with these filters, under a name; a message has it for its own days." error={sending.of('name')}>{(c) => <input {...c} autofocus value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
          {of.length > 1 && <Choice label="What" all={of.map((a, i) => [String(i), a.text] as const)} value={at} onChoose={setAt} />}
          {sending.of('question') && <p class="error" role="alert">{sending.of('question')}</p>}
        </Form>
      )}
    </Dialog>
  );
}
/** `of`: what the page asks, the first first. */
export function SaveReport({ project, of }: { project: ProjectOf; of: readonly { text: string; question: object }[] }) {
  const [isOpen, setOpen] = useState(false);
  if (!mayDefine(project)) return null;
  return <><button type="button" class="button quiet" onClick={() => setOpen(true)}>Save report</button>{isOpen && <SaveDialog project={project} of={of} onClose={() => setOpen(false)} />}</>;
}

const EXAMPLE = { metrics: ['visitors', 'events'], dimensions: ['source'], date_range: '28d' };
function ReportEditor({ of, path, onDone, onClose }: EditorOf<Report>) {
  const sending = useReport(), [name, setName] = useState(of?.name ?? ''), [json, setJson] = useState(JSON.stringify(of?.question ?? EXAMPLE, null, 2));
  const question = (): unknown => { try { return JSON.parse(json); } catch { throw new Error('/question: this is no JSON'); } };
  const submit = async (): Promise<void> => { if (await sending.run(async () => { await save(path, of, { name: name.trim(), question: question() }); })) onDone(); };
  return (
    <Dialog title={of ? 'Change the saved report' : 'New saved report'} kind="wide" onClose={onClose}>
      <Form sending={sending} action="Save" cancel={onClose} onSubmit={() => void submit()}>
        <Field name="name" label="Name" error={sending.of('name')}>{(c) => <input {...c} autofocus value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
        <Field name="question" label="Question" hint="As the API takes it. “Save report” below a page keeps what that page asks." error={sending.of('question')}>{(c) => <textarea {...c} class="code-input" rows={10} spellcheck={false} value={json} onInput={(e) => setJson(e.currentTarget.value)} />}</Field>
      </Form>
    </Dialog>
  );
}
const listOf = (v: unknown): string[] => (Array.isArray(v) ? v.filter((x): x is string => typeof x === 'string') : []);
const KINDS: Record<string, string> = { funnel: 'Funnel', retention: 'Retention', stickiness: 'Stickiness', lifecycle: 'Lifecycle', paths: 'Paths', vitals: 'Web Vitals', attribution: 'Attribution', events: 'Events', properties: 'Properties' };
const wordOf = (m: string): string => m.replace(/_/g, ' ');
function questionText({ question: q }: Report): string {
  const by = listOf(q['dimensions']).map((d) => fieldText(d).toLowerCase().replace(/^time:/, '')), filters = Array.isArray(q['filters']) && q['filters'].length ? `, ${filtersText(q['filters'])}` : '';
  const what = typeof q['report'] === 'string' && q['report'] !== 'breakdown' ? (KINDS[q['report']] ?? q['report']) : listOf(q['metrics']).map(wordOf).join(', ');
  return `${what.charAt(0).toUpperCase()}${what.slice(1)}${by.length ? ` by ${by.join(', ')}` : ''}${filters}`;
}
export function SavedReports({ project, onChange }: { project: ProjectOf; onChange: () => void }) {
  return (
    <Definitions<Report>
      project={project} title="Saved reports" one="saved report" path={reportsPath(project)} Editor={ReportEditor} nameOf={(r) => r.name} onChange={onChange}
      about="Questions under a name, for reports by mail."
      columns={[{ text: 'Name', cell: (r) => r.name }, { text: 'What', cell: (r) => <span class="wrap">{questionText(r)}</span> }]}
      nothing="None yet: “Save report” below a page keeps what it shows."
    />
  );
}
