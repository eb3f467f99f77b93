// Alerts, what became of them, and reports by mail.
import { useState } from 'preact/hooks';
import { api, type Report, type Alert as StoredAlert, type MailReport as StoredMailReport, type Narrowed } from '../api.ts';
import { number, when, type Unit } from '../format.ts';
import { useLoad, type Loaded } from '../load.ts';
import { all, type ProjectOf } from '../session.ts';
import { Definitions, save, type EditorOf } from '../ui/definitions.tsx';
import { FilterEditor, filtersOf, filtersText, type Filters } from '../ui/filter.tsx';
import { Dialog, Field, Fields, Form, useSending, type Control } from '../ui/form.tsx';
import { Failure } from '../ui/parts.tsx';
import { SavedReports, reportsPath } from '../ui/reports.tsx';
import { Choice } from '../ui/steps.tsx';

interface Condition { type: string; value?: number; percent?: number; minutes?: number }
interface Question { metrics?: string[]; date_range?: unknown; filters?: unknown[] }
type Alert = Narrowed<StoredAlert, { question: Question | null; condition: Condition; state: 'ok' | 'firing' | null }>;
type MailReport = Narrowed<StoredMailReport, { report: string | null }>;
type Schedule = MailReport['schedule'];

const METRICS: readonly (readonly [string, string, Unit])[] = [['visitors', 'Visitors', 'count'], ['visits', 'Visits', 'count'], ['pageviews', 'Page views', 'count'], ['events', 'Events', 'count'], ['users', 'Users', 'count'], ['bounce_rate', 'Bounce rate', 'percent'], ['visit_duration', 'Visit duration', 'seconds'], ['total_revenue', 'Revenue', 'ratio']];
const RANGES = [['24h', 'the last 24 hours'], ['30m', 'the last 30 minutes'], ['realtime', 'the last 5 minutes'], ['day', 'today'], ['7d', 'the last 7 days'], ['30d', 'the last 30 days']] as const;
const TYPES = [['above', 'is more than'], ['below', 'is less than'], ['spike', 'rises, against the period before, by'], ['drop', 'falls, against the period before, by'], ['no_data', 'no event came for']] as const;
const UNITS: Record<string, string> = { spike: 'percent', drop: 'percent', no_data: 'minutes' };
const memberOf = (type: string): 'value' | 'percent' | 'minutes' => (type === 'spike' || type === 'drop' ? 'percent' : type === 'no_data' ? 'minutes' : 'value');
const textOf = (all: readonly (readonly [string, string, ...unknown[]])[], id: string | undefined): string => all.find(([v]) => v === id)?.[1] ?? id ?? '';
const lines = (text: string): string[] => text.split(/[\n,]/).map((l) => l.trim()).filter(Boolean);
/** What the form can show and keep whole. */
const isPlain = (q: Question | null): boolean => !q || (Object.keys(q).every((k) => ['metrics', 'date_range', 'filters'].includes(k)) && METRICS.some(([m]) => m === q.metrics?.[0]) && RANGES.some(([r]) => r === q.date_range));

function Emails({ value, error, onInput }: { value: string; error: string; onInput: (text: string) => void }) {
  return <Field name="emails" label="Mail to" hint="At most ten addresses, one a line." error={error}>{(c: Control) => <textarea {...c} rows={2} spellcheck={false} value={value} onInput={(e) => onInput(e.currentTarget.value)} />}</Field>;
}
function AlertEditor({ project, of, path, onDone, onClose }: EditorOf<Alert>) {
  const sending = useSending(['name', 'question', 'condition', 'emails'], (slug) => (slug === 'exists' ? 'name' : '')), q = of?.question ?? null;
  const [name, setName] = useState(of?.name ?? ''), [metric, setMetric] = useState(q?.metrics?.[0] ?? 'visitors'), [range, setRange] = useState(typeof q?.date_range === 'string' ? q.date_range : '24h'), [filters, setFilters] = useState<Filters>(q?.filters ?? []);
  const [json, setJson] = useState<string | null>(isPlain(q) ? null : JSON.stringify(q, null, 2));
  const [type, setType] = useState(of?.condition.type ?? 'below'), [amount, setAmount] = useState(of ? String(of.condition[memberOf(of.condition.type)] ?? '') : ''), [emails, setEmails] = useState(of?.emails.join('\n') ?? '');
  const isSilence = type === 'no_data';
  const question = (): unknown => {
    try { if (json !== null) return JSON.parse(json); } catch { throw new Error('/question: this is no JSON'); }
    const all = filtersOf(filters, 'question');
    return { metrics: [isSilence ? 'events' : metric], date_range: isSilence ? '24h' : range, ...(all.length ? { filters: all } : {}) };
  };
  const submit = async (): Promise<void> => {
    if (await sending.run(async () => { await save(path, of, { name: name.trim(), question: question(), condition: { type, [memberOf(type)]: amount.trim() === '' ? null : Number(amount) }, emails: lines(emails) }); })) onDone();
  };
  return (
    <Dialog title={of ? 'Change the alert' : 'New alert'} kind="wide" onClose={onClose}>
      <Form sending={sending} action="Save" cancel={onClose} onSubmit={() => void submit()}>
        <Field name="name" label="Name" error={sending.of('name')}>{(c) => <input {...c} autofocus value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
        <Fields label="When" error={sending.of('condition')}>
          <div class="choices">
            {json === null && !isSilence && <><Choice label="The number of" all={METRICS.map(([v, text]) => [v, text] as const)} value={metric} onChoose={setMetric} /><Choice label="of" all={RANGES} value={range} onChoose={setRange} /></>}
            <select aria-label="Condition" value={type} onChange={(e) => setType(e.currentTarget.value)}>{TYPES.map(([v, text]) => <option key={v} value={v}>{text}</option>)}</select>
            <label class="choice"><span class="hidden">How much</span><input class="short" inputMode="decimal" name="amount" aria-invalid={!!sending.of('condition')} value={amount} onInput={(e) => setAmount(e.currentTarget.value)} />{UNITS[type]}</label>
          </div>
        </Fields>
        <Fields label={json === null ? 'Of events with' : 'Question'} error={sending.of('question')}>
          {json === null ? <FilterEditor project={project} value={filters} isInvalid={!!sending.of('question')} onChange={setFilters} /> : <textarea class="code-input" aria-label="The question as JSON" aria-invalid={!!sending.of('question')} rows={8} spellcheck={false} value={json} onInput={(e) => setJson(e.currentTarget.value)} />}
        </Fields>
        <Emails value={emails} error={sending.of('emails')} onInput={setEmails} />
      </Form>
    </Dialog>
  );
}
function questionText(a: Alert): string {
  const filters = a.question?.filters?.length ? `, ${filtersText(a.question.filters)}` : '', c = a.condition, much = c[memberOf(c.type)];
  if (c.type === 'no_data') return `No event came for ${much ?? ''} minutes${filters}`;
  return `${textOf(METRICS, a.question?.metrics?.[0])} of ${typeof a.question?.date_range === 'string' ? textOf(RANGES, a.question.date_range) : 'a range'}${filters} ${textOf(TYPES, c.type)} ${much ?? ''}${memberOf(c.type) === 'percent' ? ' %' : ''}`;
}
const STATES: Record<string, string> = { ok: 'In order', firing: 'Fires' };
function State({ of, zone }: { of: Alert; zone: string }) {
  if (of.error) return <span class="error wrap">Cannot be asked: {of.error}</span>;
  if (!of.state) return <>Not looked at yet</>;
  return <span class={of.state === 'firing' ? 'error' : ''} title={`Looked at ${when(of.checked_at, zone)}`}>{STATES[of.state] ?? of.state}{of.since && `, since ${when(of.since, zone)}`}</span>;
}
function Log({ project }: { project: ProjectOf }) {
  const path = `/v1/projects/${project.id}/alert-log` as const, { value, error, retry } = useLoad(path, (signal) => api<'listAlertLog'>('GET', path, undefined, signal));
  return (
    <section class="card" aria-label="What was told">
      <h2>What was told</h2>
      {error && <Failure text={error} retry={retry} />}
      {value && !value.data.length && <p class="muted nothing">No alert has changed its state in the last 90 days.</p>}
      {value && value.data.length > 0 && <ul class="told">{value.data.map((l) => <li key={l.id}><time class="muted" dateTime={l.at}>{when(l.at, project.time_zone)}</time> <span>{l.text}</span></li>)}</ul>}
    </section>
  );
}
const EVERY = [['day', 'Every day'], ['week', 'Every week'], ['month', 'On the first of each month']] as const;
const WEEKDAYS = [['monday', 'Monday'], ['tuesday', 'Tuesday'], ['wednesday', 'Wednesday'], ['thursday', 'Thursday'], ['friday', 'Friday'], ['saturday', 'Saturday'], ['sunday', 'Sunday']] as const;
const HOURS = Array.from({ length: 24 }, (_v, h) => [String(h), `${String(h).padStart(2, '0')}:00`] as const);
const HOUR = 8, OVERVIEW = '';
const hourText = (hour: number | undefined): string => textOf(HOURS, String(hour ?? HOUR));
const scheduleText = ({ every, weekday, hour }: Schedule): string => `${every === 'week' ? `Every ${textOf(WEEKDAYS, weekday ?? 'monday')}` : textOf(EVERY, every)} at ${hourText(hour)}`;
const ABOUT: Record<string, string> = { day: 'About the day before, against the one before that.', week: 'About the seven days before, against those before that.', month: 'About the month before, against the one before that.' };
const oneOf = <T extends string>(all: readonly (readonly [T, string])[], value: string): T => (all.find(([v]) => v === value) ?? (all[0] as readonly [T, string]))[0];
const useSaved = (project: ProjectOf): Loaded<Report[]> => useLoad(reportsPath(project), () => all<Report>(reportsPath(project)));

function MailEditor({ project, of, path, onDone, onClose }: EditorOf<MailReport>) {
  const saved = useSaved(project), reports = saved.value ?? [];
  const sending = useSending(['name', 'schedule', 'report', 'emails'], (slug) => (slug === 'exists' ? 'name' : ''));
  const [name, setName] = useState(of?.name ?? ''), [every, setEvery] = useState<string>(of?.schedule.every ?? 'week'), [weekday, setWeekday] = useState<string>(of?.schedule.weekday ?? 'monday'), [hour, setHour] = useState(String(of?.schedule.hour ?? HOUR)), [report, setReport] = useState(of?.report ?? OVERVIEW), [emails, setEmails] = useState(of?.emails.join('\n') ?? '');
  const schedule = (): Schedule => ({ every: oneOf(EVERY, every), ...(every === 'week' ? { weekday: oneOf(WEEKDAYS, weekday) } : {}), hour: Number(hour) });
  const submit = async (): Promise<void> => { if (await sending.run(async () => { await save(path, of, { name: name.trim(), schedule: schedule(), report: report || null, emails: lines(emails) }); })) onDone(); };
  const isGone = report !== OVERVIEW && !reports.some((r) => r.id === report);
  return (
    <Dialog title={of ? 'Change the report by mail' : 'New report by mail'} onClose={onClose}>
      <Form sending={sending} action="Save" cancel={onClose} onSubmit={() => void submit()}>
        <Field name="name" label="Name" error={sending.of('name')}>{(c) => <input {...c} autofocus value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
        <Field name="report" label="What" hint="The overview has the totals, and the first pages, sources and countries." error={sending.of('report')}>
          {(c) => (
            <select {...c} value={report} onChange={(e) => setReport(e.currentTarget.value)}>
              <option value={OVERVIEW}>The overview</option>
              {isGone && <option value={report}>{saved.value ? 'A report that is gone' : 'A saved report'}</option>}
              {reports.length > 0 && <optgroup label="Saved reports">{reports.map((r) => <option key={r.id} value={r.id}>{r.name}</option>)}</optgroup>}
            </select>
          )}
        </Field>
        {saved.error && <Failure text={saved.error} retry={saved.retry} />}
        <Fields label="Sent" hint={`${ABOUT[every] ?? ''} Time zone: ${project.time_zone}.`} error={sending.of('schedule')}>
          <div class="choices">
            <select aria-label="How often" value={every} onChange={(e) => setEvery(e.currentTarget.value)}>{EVERY.map(([v, text]) => <option key={v} value={v}>{text}</option>)}</select>
            {every === 'week' && <Choice label="on" all={WEEKDAYS} value={weekday} onChoose={setWeekday} />}
            <Choice label="at" all={HOURS} value={hour} onChoose={setHour} />
          </div>
        </Fields>
        <Emails value={emails} error={sending.of('emails')} onInput={setEmails} />
      </Form>
    </Dialog>
  );
}
function What({ of, saved }: { of: MailReport; saved: Report[] | undefined }) {
  if (!of.report) return <>The overview</>;
  return <span class="wrap">{saved?.find((r) => r.id === of.report)?.name ?? (saved ? 'A report that is gone' : 'A saved report')}</span>;
}
function MailReports({ project, saved }: { project: ProjectOf; saved: Report[] | undefined }) {
  const zone = project.time_zone;
  return (
    <Definitions<MailReport>
      project={project} title="Reports by mail" one="report" path={`/v1/projects/${project.id}/mail-reports`} Editor={MailEditor} nameOf={(m) => m.name}
      about="The overview or a saved report, of the last whole day, week or month, against the one before."
      columns={[
        { text: 'Name', cell: (m) => m.name },
        { text: 'What', cell: (m) => <What of={m} saved={saved} /> },
        { text: 'When', cell: (m) => scheduleText(m.schedule) },
        { text: 'Last sent', cell: (m) => (m.error ? <span class="error wrap">Not sent: {m.error}</span> : m.sent_at ? when(m.sent_at, zone) : '–') },
        { text: 'Next', cell: (m) => when(m.next_at, zone) },
        { text: 'Mail to', cell: (m) => <span class="wrap">{m.emails.join(', ')}</span> },
      ]}
      nothing="None yet."
    />
  );
}
export function AlertsPage({ project }: { project: ProjectOf }) {
  const zone = project.time_zone, saved = useSaved(project);
  return (
    <>
      <h1 class="hidden">Alerts and reports by mail of {project.name}</h1>
      <Definitions<Alert>
        project={project} title="Alerts" one="alert" path={`/v1/projects/${project.id}/alerts`} Editor={AlertEditor} nameOf={(a) => a.name}
        about="A number that is looked at once a minute; who is to know gets a mail when it changes its state."
        columns={[
          { text: 'Name', cell: (a) => a.name },
          { text: 'When', cell: (a) => <span class="wrap">{questionText(a)}</span> },
          { text: 'Now', isNumber: true, cell: (a) => (a.value === null ? '–' : number(Number(a.value), METRICS.find(([m]) => m === a.question?.metrics?.[0])?.[2] ?? 'ratio')) },
          { text: 'State', cell: (a) => <State of={a} zone={zone} /> },
          { text: 'Mail to', cell: (a) => <span class="wrap">{a.emails.join(', ')}</span> },
        ]}
        nothing="None yet."
      />
      <Log project={project} />
      <MailReports project={project} saved={saved.value} />
      <SavedReports project={project} onChange={saved.retry} />
    </>
  );
}
