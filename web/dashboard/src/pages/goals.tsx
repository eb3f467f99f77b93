// What visitors are hoped to do: how many do, how that goes, and what tells them apart.
import { useState } from 'preact/hooks';
import { api, type Filter, type Goal } from '../api.ts';
import { number } from '../format.ts';
import { useLoad, type Loaded } from '../load.ts';
import { filters, go, param, withParams } from '../location.ts';
import { all, type ProjectOf } from '../session.ts';
import { Attribution } from '../ui/attribution.tsx';
import { Breakdown, useProperties } from '../ui/breakdown.tsx';
import { mayDefine, save, type EditorOf } from '../ui/definitions.tsx';
import { fieldOf, fieldText } from '../ui/fields.ts';
import { FilterEditor, filtersOf, filtersText, type Filters } from '../ui/filter.tsx';
import { Confirm, Dialog, Field, Fields, Form, useSending } from '../ui/form.tsx';
import { BarTable, Count, Delta, SeriesChart, Tiles, useAnswer, type Metric } from '../ui/numbers.tsx';
import { Failure, Link } from '../ui/parts.tsx';
import { comparison, rangeOf, unitOf } from '../ui/range.tsx';

const base = (): { date_range: string | [string, string]; filters: Filter[] } => ({ date_range: rangeOf(), filters: filters.value });
const GOALS_MAX = 50; // that a question has as a dimension
const path = (project: ProjectOf) => `/v1/projects/${project.id}/goals` as const;
const money = (by: unknown): string => Object.entries((by ?? {}) as Record<string, number>).map(([currency, sum]) => number(sum, `money:${currency}`)).join(' and ');
// ---- the list ----
function Editor({ project, of, path, onDone, onClose }: EditorOf<Goal>) {
  const sending = useSending(['name', 'filters', 'revenue'], (slug) => (slug === 'exists' ? 'name' : ''));
  const [name, setName] = useState(of?.name ?? ''), [reached, setReached] = useState<Filters>(of?.filters ?? []), [property, setProperty] = useState(of?.revenue ? fieldText(of.revenue.property) : ''), [currency, setCurrency] = useState(of?.revenue?.currency ?? '');
  const submit = async (): Promise<void> => {
    const revenue = property.trim() || currency.trim() ? { property: fieldOf(property.trim()), currency: currency.trim().toUpperCase() } : null;
    if (await sending.run(async () => { await save(path, of, { name: name.trim(), filters: filtersOf(reached), revenue }); })) onDone();
  };
  return (
    <Dialog title={of ? 'Change the goal' : 'New goal'} kind="wide" onClose={onClose}>
      <Form sending={sending} action="Save" cancel={onClose} onSubmit={() => void submit()}>
        <Field name="name" label="Name" error={sending.of('name')}>{(c) => <input {...c} autofocus value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
        <Fields label="Reached by an event of which" hint="All of it has to fit." error={sending.of('filters')}><FilterEditor project={project} value={reached} isInvalid={!!sending.of('filters')} onChange={setReached} /></Fields>
        <Fields label="What one is worth" hint="A property that is a number, and its currency. Empty: the event’s own revenue." error={sending.of('revenue')}>
          <span class="choices">
            <label class="choice">Property<input type="text" placeholder="amount" value={property} onInput={(e) => setProperty(e.currentTarget.value)} /></label>
            <label class="choice">Currency<input type="text" placeholder="EUR" size={4} maxLength={3} value={currency} onInput={(e) => setCurrency(e.currentTarget.value)} /></label>
          </span>
        </Fields>
      </Form>
    </Dialog>
  );
}
function All({ project, goals }: { project: ProjectOf; goals: Loaded<Goal[]> }) {
  const some = goals.value ?? [], [isNew, setNew] = useState(false);
  return (
    <section class="card tall" aria-label="Goals" aria-busy={goals.isLoading}>
      <header class="card-head"><div><h2>Goals</h2><p class="muted">What visitors are hoped to do.</p></div>{mayDefine(project) && <button type="button" class="button primary" onClick={() => setNew(true)}>New goal</button>}</header>
      {goals.error && <Failure text={goals.error} retry={goals.retry} />}
      {goals.value && !some.length && <p class="muted nothing">None yet. A goal is an event with a name: a sign-up, a purchase, a page that was seen.</p>}
      {some.length > GOALS_MAX && <><p class="muted">Of more than {GOALS_MAX} goals each has its numbers on its own page.</p><ul class="ids">{some.map((g) => <li key={g.id}><Link to={withParams({ goal: g.id })}>{g.name}</Link></li>)}</ul></>}
      {some.length > 0 && some.length <= GOALS_MAX && <Reached key={some.map((g) => g.name).join()} project={project} goals={some} />}
      {isNew && <Editor project={project} of={null} path={path(project)} onDone={() => { setNew(false); goals.retry(); }} onClose={() => setNew(false)} />}
    </section>
  );
}
function Reached({ project, goals }: { project: ProjectOf; goals: Goal[] }) {
  const { value, error, isLoading, retry } = useAnswer(project, { ...base(), metrics: ['events', 'visitors', 'conversion_rate'], dimensions: ['goal'], include: comparison() });
  const of = new Map(value?.results.map((r) => [r.dimensions[0], r]));
  const rows = value && goals.map((g) => {
    const r = of.get(g.name), [events = 0, visitors = 0, rate = 0] = r?.metrics ?? [];
    return { key: g.id, text: g.name, of: rate ?? 0, to: withParams({ goal: g.id }), cells: [<Count of={events} />, <Delta now={events} before={r?.comparison?.metrics[0]} />, <Count of={visitors} />, <Count of={rate ?? 0} unit="percent" />] };
  });
  return (
    <>
      {error && <Failure text={error} retry={retry} />}
      <BarTable head={['Goal', 'Conversions', 'Change|wide', 'Visitors|wide', 'Rate']} rows={rows?.sort((a, b) => b.of - a.of)} isLoading={isLoading} empty="" />
    </>
  );
}

// ---- one of them ----
const METRICS: readonly Metric[] = [
  { id: 'events', text: 'Conversions', unit: 'count' },
  { id: 'visitors', text: 'Visitors', unit: 'count' },
  { id: 'group_conversion_rate', text: 'Conversion rate', unit: 'percent' },
];
function One({ project, goal }: { project: ProjectOf; goal: Goal }) {
  const metric = METRICS.find((m) => m.id === param('metric')) ?? (METRICS[0] as Metric), own = { ...base(), goal: { id: goal.id } };
  const { value, error, isLoading, retry } = useAnswer(project, { ...own, metrics: [...METRICS.map((m) => m.id), 'total_revenue'], include: comparison() });
  const brought = money(value?.results[0]?.metrics[METRICS.length]);
  return (
    <>
      <section class="card headline" aria-label="Numbers">
        {error && !value ? <Failure text={error} retry={retry} /> : <Tiles metrics={METRICS} row={value?.results[0]} chosen={metric.id} isLoading={isLoading} />}
        <div class="about"><p>Reached by an event of which <b>{filtersText(goal.filters)}</b>.{brought && ` Brought ${brought}.`}</p></div>
        <SeriesChart project={project} metric={metric} question={{ ...own, metrics: [metric.id], dimensions: [`time:${unitOf()}`], include: { ...comparison(), time_labels: true } }} />
      </section>
      <Breakdown project={project} question={own} columns={METRICS.map((m) => (m.unit === 'percent' ? { ...m, text: 'Rate' } : m))} seen={useProperties(project, { ...base(), filters: [...filters.value, ...(goal.filters as Filter[])] })} usual="source" />
      <Attribution project={project} question={base()} goal={{ id: goal.id }} />
    </>
  );
}
export function GoalsPage({ project }: { project: ProjectOf }) {
  const goals = useLoad(project.id, () => all<Goal>(path(project))), id = param('goal'), goal = goals.value?.find((g) => g.id === id), [open, setOpen] = useState<'change' | 'remove' | null>(null);
  if (!id) return <><h1 class="hidden">Goals of {project.name}</h1><All project={project} goals={goals} /></>;
  const remove = async (): Promise<void> => {
    await api<'removeGoal'>('DELETE', `${path(project)}/${id}`);
    goals.retry();
    go(withParams({ goal: null }));
  };
  return (
    <>
      <div class="page-head">
        <div class="crumbs"><Link to={withParams({ goal: null, by: null, metric: null, rows: null, touch: null, lookback: null })}>All goals</Link><h1 class="cut">{goal?.name ?? '\u00a0'}</h1></div>
        {goal && mayDefine(project) && <span class="acts"><button type="button" class="button" onClick={() => setOpen('change')}>Change</button><button type="button" class="button" onClick={() => setOpen('remove')}>Remove</button></span>}
      </div>
      {goals.error && <section class="card"><Failure text={goals.error} retry={goals.retry} /></section>}
      {goals.value && !goals.isLoading && !goal && <p class="card">There is no such goal any more.</p>}
      {goal && <One key={`${goal.id} ${goal.version}`} project={project} goal={goal} />}
      {goal && open === 'change' && <Editor project={project} of={goal} path={path(project)} onDone={() => { setOpen(null); goals.retry(); }} onClose={() => setOpen(null)} />}
      {goal && open === 'remove' && <Confirm title={`Remove “${goal.name}”?`} action="Remove" run={remove} onClose={() => setOpen(null)}><p>What refers to it by its name or id fails from then on.</p></Confirm>}
    </>
  );
}
