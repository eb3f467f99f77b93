import { useState } from 'preact/hooks';
import { call, type AnswerOf, type Cohort } from '../api.ts';
import { number, when, whole } from '../format.ts';
import { useLoad, usePages } from '../load.ts';
import { filters as inAddress, param } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Definitions, mayDefine, save, type EditorOf } from '../ui/definitions.tsx';
import { FilterEditor, filtersOf, filtersText, type Filters } from '../ui/filter.tsx';
import { Dialog, Field, Fields, Form, useSending } from '../ui/form.tsx';
import { LookAt } from '../ui/segment.tsx';
import { Choice, COUNTS } from '../ui/steps.tsx';
import { Table } from '../ui/table.tsx';

/** A condition as the form has it; others are written as JSON. */
interface Condition { kind: Kind; filters: Filters; times: string; days: string }
const KINDS = [['did', 'Did'], ['did_not', 'Did not do'], ['first_did', 'Did for the first time'], ['latest', 'Did last']] as const;
type Kind = (typeof KINDS)[number][0];
const DAYS = [['', 'ever'], ['1', 'today'], ['7', 'in the last 7 days'], ['30', 'in the last 30 days'], ['90', 'in the last 90 days'], ['365', 'in the last year']] as const;
const usual = (): Condition => ({ kind: 'did', filters: [['is', 'event', ['pageview']]], times: '1', days: '30' });

type Which = { event?: string; filters?: unknown[] };
const isWhich = (w: unknown): w is Which => !!w && typeof w === 'object' && Object.keys(w).every((k) => k === 'event' || k === 'filters');
/** null: more than the form knows. */
function conditionOf(stored: unknown): Condition | null {
  const c = stored as Record<string, unknown>, kind = KINDS.find(([k]) => k in c)?.[0];
  if (!kind || !Object.keys(c).every((k) => k === kind || k === 'days' || (k === 'at_least' && kind === 'did'))) return null;
  const days = c['days'] === undefined ? '' : String(c['days']), times = String(c['at_least'] ?? 1);
  if (kind === 'latest') return Array.isArray(c[kind]) ? { kind, filters: c[kind] as unknown[], times, days } : null;
  const which = c[kind];
  if (!isWhich(which)) return null;
  return { kind, filters: [...(which.event ? [['is', 'event', [which.event]]] : []), ...(which.filters ?? [])], times, days };
}
function storedOf(c: Condition, at: number): Record<string, unknown> {
  const filters = filtersOf(c.filters, `conditions/${at}`), days = c.days ? { days: Number(c.days) } : {};
  if (c.kind === 'latest') return { latest: filters, ...days };
  return { [c.kind]: { filters }, ...(c.kind === 'did' && c.times !== '1' ? { at_least: Number(c.times) } : {}), ...days };
}
function conditionText(stored: unknown): string {
  const c = conditionOf(stored);
  if (!c) return JSON.stringify(stored);
  const what = filtersText(Array.isArray(c.filters) ? c.filters : []), often = c.kind === 'did' && c.times !== '1' ? ` ${c.times} times or more` : '';
  return `${KINDS.find(([k]) => k === c.kind)?.[1]}: ${what}${often}${c.days ? `, ${DAYS.find(([d]) => d === c.days)?.[1] ?? `in the last ${c.days} days`}` : ''}`;
}
function Conditions({ project, all, isInvalid, onChange }: { project: ProjectOf; all: Condition[]; isInvalid: boolean; onChange: (all: Condition[]) => void }) {
  const set = (at: number, c: Condition | null): void => onChange(all.flatMap((x, i) => (i === at ? (c ? [c] : []) : [x])));
  return (
    <>
      {all.map((c, i) => (
        <div key={i} class="condition">
          <div class="choices">
            <Choice label="Who" all={KINDS} value={c.kind} onChoose={(kind) => set(i, { ...c, kind: kind as Kind })} />
            {c.kind === 'did' && <label class="choice">at least<input type="number" class="short" min={1} aria-label={`Condition ${i + 1}: how often`} value={c.times} onInput={(e) => set(i, { ...c, times: e.currentTarget.value || '1' })} />times</label>}
            {c.kind !== 'latest' && <Choice label="When" all={DAYS.some(([d]) => d === c.days) ? DAYS : [...DAYS, [c.days, `in the last ${c.days} days`]]} value={c.days} onChoose={(days) => set(i, { ...c, days })} />}
            {all.length > 1 && <button type="button" class="button quiet" aria-label={`Remove condition ${i + 1}`} onClick={() => set(i, null)}>×</button>}
          </div>
          <FilterEditor project={project} value={c.filters} label={`Condition ${i + 1}, filter`} isInvalid={isInvalid} onChange={(filters) => set(i, { ...c, filters })} />
        </div>
      ))}
      <div><button type="button" class="button" onClick={() => onChange([...all, usual()])}>Add a condition</button></div>
    </>
  );
}
const WAYS = [['did', 'Who did something'], ['list', 'Users of a list']] as const;
function Editor({ project, of, path, onDone, onClose }: EditorOf<Cohort>) {
  const sending = useSending(['name', 'conditions', 'members', 'count_by'], (slug) => (slug === 'exists' ? 'name' : ''));
  const begun = of?.conditions?.map(conditionOf) ?? [param('new') === null ? usual() : { ...usual(), filters: inAddress.value }];
  const [name, setName] = useState(of?.name ?? ''), [way, setWay] = useState<string>(of?.list_id ? 'list' : 'did'), [countBy, setCountBy] = useState<string>(of?.count_by ?? 'visitors'), [members, setMembers] = useState('');
  const [conditions, setConditions] = useState<Condition[] | string>(begun.every((c) => c !== null) ? begun : JSON.stringify(of?.conditions, null, 2));
  const body = (): Record<string, unknown> => {
    if (way === 'list') return of ? {} : { members: members.split('\n').map((l) => l.trim()).filter(Boolean) };
    return { conditions: typeof conditions === 'string' ? filtersOf(conditions, 'conditions') : conditions.map(storedOf), ...(of ? {} : { count_by: countBy }) };
  };
  const submit = async (): Promise<void> => { if (await sending.run(async () => { await save(path, of, { name: name.trim(), ...body() }); })) onDone(); };
  return (
    <Dialog title={of ? 'Change the cohort' : 'New cohort'} kind="wide" onClose={onClose}>
      <Form sending={sending} action="Save" cancel={onClose} onSubmit={() => void submit()}>
        <Field name="name" label="Name" error={sending.of('name')}>{(c) => <input {...c} autofocus value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
        {!of && <div class="choices"><Choice label="Made of" all={WAYS} value={way} onChoose={setWay} />{way === 'did' && <Choice label="Of" all={COUNTS} value={countBy} onChoose={setCountBy} />}</div>}
        {way === 'did' && (
          <Fields label="Conditions" hint="All of them have to hold, of each person, as of the moment when a report asks." error={sending.of('conditions')}>
            {typeof conditions === 'string' ? <textarea class="code-input" aria-label="Conditions as JSON" aria-invalid={!!sending.of('conditions')} rows={10} spellcheck={false} value={conditions} onInput={(e) => setConditions(e.currentTarget.value)} /> : <Conditions project={project} all={conditions} isInvalid={!!sending.of('conditions')} onChange={setConditions} />}
          </Fields>
        )}
        {way === 'list' && !of && <Field name="members" label="Ids of users" hint="One a line, at most 50,000. The list does not change: make another and remove this one." error={sending.of('members')}>{(c) => <textarea {...c} rows={6} spellcheck={false} value={members} onInput={(e) => setMembers(e.currentTarget.value)} />}</Field>}
      </Form>
    </Dialog>
  );
}
function Count({ path, of }: { path: string; of: Cohort }) {
  const { value, error } = useLoad(`${path}/${of.id} ${of.version}`, async (signal) => (of.size ?? (await call<AnswerOf<'countCohort'>>('GET', `${path}/${of.id}/count`, undefined, signal)).count));
  return error ? <span class="error" title={error}>?</span> : <span aria-busy={value === undefined} title={whole(value)}>{value === undefined ? '…' : number(value)}</span>;
}
interface Member { id: string; kind: string }
function Members({ path, of, onClose }: { path: string; of: Cohort; onClose: () => void }) {
  const members = usePages(`${path}/${of.id}`, async (cursor, signal) => {
    const got = await call<AnswerOf<'listCohortMembers'>>('GET', `${path}/${of.id}/members?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, undefined, signal);
    return { rows: got.data.map((m): Member => ({ id: m.user_id ?? m.person_id ?? m.visitor ?? '', kind: m.user_id !== undefined ? 'User' : m.person_id !== undefined ? 'Person' : 'Visitor' })), next: got.next };
  });
  return <Dialog title={`Who is in “${of.name}”`} onClose={onClose}><Table label="Members" of={members} columns={[{ text: 'Id', cell: (m) => <code>{m.id}</code> }, { text: 'Is a', cell: (m) => m.kind }]} nothing="Nobody." /></Dialog>;
}
function Snapshot({ path, of, onDone, onClose }: { path: string; of: Cohort; onDone: () => void; onClose: () => void }) {
  const sending = useSending(['name'], 'name'), [name, setName] = useState(`${of.name}, ${new Date().toISOString().slice(0, 10)}`);
  const submit = async (): Promise<void> => { if (await sending.run(async () => { await call('POST', `${path}/${of.id}/snapshot`, { name: name.trim() }); })) onDone(); };
  return (
    <Dialog title={`Keep who is in “${of.name}” now`} onClose={onClose}>
      <Form sending={sending} action="Keep" cancel={onClose} onSubmit={() => void submit()}>
        <p>A cohort of these people, which does not change with what they do.</p>
        <Field name="name" label="Name" error={sending.of('name')}>{(c) => <input {...c} value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
      </Form>
    </Dialog>
  );
}
export function CohortsPage({ project }: { project: ProjectOf }) {
  const path = `/v1/projects/${project.id}/cohorts`, [open, setOpen] = useState<{ what: 'members' | 'snapshot'; of: Cohort; again: () => void } | null>(null), close = (): void => setOpen(null);
  return (
    <>
      <h1 class="hidden">Cohorts of {project.name}</h1>
      <Definitions<Cohort>
        project={project} title="Cohorts" one="cohort" path={path} isNewInAddress Editor={Editor} nameOf={(c) => c.name}
        about="People by what they did, for every report."
        columns={[
          { text: 'Name', cell: (c) => c.name },
          { text: 'Who', cell: (c) => <span class="wrap">{c.conditions ? c.conditions.map(conditionText).join('; ') : 'A list'}</span> },
          { text: 'Of', cell: (c) => COUNTS.find(([v]) => v === c.count_by)?.[1] ?? c.count_by },
          { text: 'People', isNumber: true, cell: (c) => <Count path={path} of={c} /> },
          { text: 'Changed', cell: (c) => when(c.updated_at, project.time_zone) },
        ]}
        nothing="None yet. Filter a report and choose “Save as …”, or begin here."
        more={(c, again) => (
          <>
            <LookAt project={project} field="cohort" name={c.name} />
            <button type="button" class="link" aria-label={`Members of ${c.name}`} onClick={() => setOpen({ what: 'members', of: c, again })}>Members</button>
            {mayDefine(project) && !c.list_id && <button type="button" class="link" aria-label={`Keep who is in ${c.name} now`} onClick={() => setOpen({ what: 'snapshot', of: c, again })}>Keep</button>}
          </>
        )}
      />
      {open?.what === 'members' && <Members path={path} of={open.of} onClose={close} />}
      {open?.what === 'snapshot' && <Snapshot path={path} of={open.of} onDone={() => { open.again(); close(); }} onClose={close} />}
    </>
  );
}
