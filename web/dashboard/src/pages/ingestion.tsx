// What arrived, what was not taken and why, and how far everything behind the answer is.
import { useEffect, useState } from 'preact/hooks';
import { api, type AnswerOf } from '../api.ts';
import { bytes, localLabel, when, number, whole } from '../format.ts';
import { useLoad, usePages } from '../load.ts';
import { go, param, withParams } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Chart, type Series } from '../ui/chart.tsx';
import { Dialog, Form, useSending } from '../ui/form.tsx';
import { Copy, Failure } from '../ui/parts.tsx';
import { Choice, chosen } from '../ui/steps.tsx';

type Count = AnswerOf<'getIngestion'>['counts'][number];
type Sample = AnswerOf<'getRejections'>['rejections'][number];
type Released = AnswerOf<'releaseRejections'>;
type Pipeline = AnswerOf<'getPipeline'>;

const REASONS: Record<string, string> = {
  bad_json: 'No valid JSON', too_deep: 'Nested too deeply', too_large: 'Too large', no_name: 'Without a name', name_too_long: 'Name too long', no_id: 'Without an id that it needs', bad_value: 'A value that cannot be kept',
  not_kept: 'Of a kind that is not kept', bad_request: 'Body cannot be read', over_limit: 'Request too large', no_permission: 'Key may not send', origin: 'From a page that may not send', rate_limit: 'Too many requests', quota: 'Above the month’s limit',
  unavailable: 'Server was full; sent again', duplicate: 'Was there already', bot: 'Bot', poison: 'Cannot become a row',
};
const reasonText = (reason: string): string => REASONS[reason] ?? reason;
const DIALECTS: Record<string, string> = { api: 'weir’s API', tracker: 'weir’s script', import: 'Import', article: 'View and event', plausible: 'Plausible', umami: 'Umami', posthog: 'PostHog', segment: 'Segment', ga4: 'Google Analytics 4', goatcounter: 'GoatCounter', openpanel: 'OpenPanel', rybbit: 'Rybbit', snowplow: 'Snowplow' };
const dialectText = (dialect: string): string => DIALECTS[dialect] ?? dialect;
const RANGES = [['7', 'Last 7 days'], ['1', 'Last 24 hours'], ['30', 'Last 30 days'], ['90', 'Last 90 days']] as const;
const HOUR_MS = 3600000, DAY_MS = 24 * HOUR_MS;

// ---- what arrived ----
/** A point for each hour or day, also where nothing came. */
function series(counts: Count[], isHours: boolean, days: number, zone: string): Series {
  const by = new Map<string, number>();
  for (const c of counts) if (c.outcome === 'accepted') by.set(localLabel(new Date(c.time), zone, isHours), (by.get(localLabel(new Date(c.time), zone, isHours)) ?? 0) + c.events);
  const labels: string[] = [], now = Date.now(), step = isHours ? HOUR_MS : DAY_MS, first = counts[0] && isHours ? Date.parse(counts[0].time) % HOUR_MS : 0;
  const last = isHours ? Math.floor((now - first) / HOUR_MS) * HOUR_MS + first : now;
  for (let i = (isHours ? 24 : days) - 1; i >= 0; i--) labels.push(localLabel(new Date(last - i * step), zone, isHours));
  return { labels, now: labels.map((l) => by.get(l) ?? 0), before: null };
}
interface Sum { dialect: string; accepted: number; late: number; ahead: number; refused: number }
function sums(counts: Count[]): { dialects: Sum[]; reasons: { dialect: string; reason: string; events: number }[] } {
  const dialects = new Map<string, Sum>(), reasons = new Map<string, { dialect: string; reason: string; events: number }>();
  for (const c of counts) {
    const of = dialects.get(c.dialect) ?? { dialect: c.dialect, accepted: 0, late: 0, ahead: 0, refused: 0 };
    dialects.set(c.dialect, of);
    if (c.outcome === 'accepted') { of.accepted += c.events; of.late += c.late; of.ahead += c.ahead; continue; }
    of.refused += c.events;
    const key = `${c.dialect} ${c.outcome}`, why = reasons.get(key) ?? { dialect: c.dialect, reason: c.outcome, events: 0 };
    why.events += c.events;
    reasons.set(key, why);
  }
  return { dialects: [...dialects.values()].sort((a, b) => b.accepted - a.accepted || b.refused - a.refused), reasons: [...reasons.values()].sort((a, b) => b.events - a.events) };
}
function Arrived({ project }: { project: ProjectOf }) {
  const days = chosen('days', RANGES), isHours = days === '1', zone = project.time_zone, now = Date.now();
  const day = (back: number): string => localLabel(new Date(now - back * DAY_MS), zone);
  const path = `/v1/projects/${project.id}/ingestion?from=${day(isHours ? 1 : Number(days) - 1)}&to=${day(0)}&granularity=${isHours ? 'hour' : 'day'}` as const;
  const { value, error, isLoading, retry } = useLoad(path, (signal) => api<'getIngestion'>('GET', path, undefined, signal));
  const counts = (value?.counts ?? []).filter((c) => !isHours || Date.parse(c.time) > now - DAY_MS), { dialects, reasons } = sums(counts);
  const all = dialects.reduce((a, d) => ({ accepted: a.accepted + d.accepted, refused: a.refused + d.refused, late: a.late + d.late, ahead: a.ahead + d.ahead }), { accepted: 0, refused: 0, late: 0, ahead: 0 });
  const look = (dialect: string, reason: string | null): void => go(withParams({ dialect, reason }), { replace: true });
  return (
    <>
      <section class="card headline" aria-label="Arrived" aria-busy={isLoading}>
        {error && <Failure text={error} retry={retry} />}
        <div class="figures">
          {([['Taken', all.accepted], ['Not taken', all.refused], ['Late', all.late], ['Ahead of their time', all.ahead]] as const).map(([text, n]) => <div key={text}><span class="tile-name">{text}</span><span class="tile-value" title={value ? whole(n) : ''}>{value ? number(n) : ' '}</span></div>)}
        </div>
        <div class="chart-box">{value ? <Chart series={series(counts, isHours, Number(days), zone)} unit="count" what="Events taken" /> : <div class="chart-plot" />}</div>
      </section>
      <div class="panels">
        <section class="panel low card" aria-label="By dialect" aria-busy={isLoading}>
          <header><h2>By dialect</h2></header>
          {value && !dialects.length && <p class="muted nothing">Nothing arrived in this time.</p>}
          {dialects.length > 0 && (
            <div class="scroll" tabIndex={0} role="region" aria-label="By dialect: table">
              <table class="grid records">
                <thead><tr><th scope="col">Dialect</th><th scope="col" class="right">Taken</th><th scope="col" class="right">Late</th><th scope="col" class="right">Ahead</th><th scope="col" class="right">Not taken</th></tr></thead>
                <tbody>{dialects.map((d) => <tr key={d.dialect}><th scope="row">{dialectText(d.dialect)}</th><td class="right" title={whole(d.accepted)}>{number(d.accepted)}</td><td class="right">{number(d.late)}</td><td class="right">{number(d.ahead)}</td><td class="right">{number(d.refused)}</td></tr>)}</tbody>
              </table>
            </div>
          )}
        </section>
        <section class="panel low card" aria-label="Not taken" aria-busy={isLoading}>
          <header><h2>Not taken, and why</h2></header>
          {value && !reasons.length && <p class="muted nothing">Everything was taken.</p>}
          {reasons.length > 0 && (
            <div class="scroll" tabIndex={0} role="region" aria-label="Not taken: table">
              <table class="grid records">
                <thead><tr><th scope="col">Reason</th><th scope="col">Dialect</th><th scope="col" class="right">Events</th></tr></thead>
                <tbody>{reasons.map((r) => <tr key={`${r.dialect} ${r.reason}`}><th scope="row"><button type="button" class="link" title="Its samples" aria-pressed={param('reason') === r.reason && param('dialect') === r.dialect} onClick={() => look(r.dialect, r.reason)}>{reasonText(r.reason)}</button></th><td>{dialectText(r.dialect)}</td><td class="right" title={whole(r.events)}>{number(r.events)}</td></tr>)}</tbody>
              </table>
            </div>
          )}
        </section>
      </div>
    </>
  );
}

// ---- samples ----
const pretty = (body: string): string => { try { return JSON.stringify(JSON.parse(body), null, 2); } catch { return body; } };
function SampleRow({ of, zone }: { of: Sample; zone: string }) {
  return (
    <details class="sample">
      <summary><time dateTime={of.received_at}>{when(of.received_at, zone)}</time> <b>{[...new Set(of.rejected.map((r) => reasonText(r.reason)))].join(', ')}</b> <span class="muted">{dialectText(of.dialect)}, {of.method} {of.path}{of.query && `?${of.query}`}</span></summary>
      <ul class="plain-list">{of.rejected.map((r, i) => <li key={i}>{r.index !== null && <span class="muted">Event {r.index + 1}: </span>}{r.details || reasonText(r.reason)}</li>)}</ul>
      <Copy text={pretty(of.body)} />
      <p class="muted">{Object.entries(of.headers).map(([k, v]) => `${k}: ${v}`).join(' · ')}</p>
    </details>
  );
}
function Release({ project, onDone, onClose }: { project: ProjectOf; onDone: () => void; onClose: () => void }) {
  const reason = param('reason'), path = `/v1/projects/${project.id}/rejections/release?${reason ? `reason=${encodeURIComponent(reason)}&` : ''}dry_run=` as const;
  const tried = useLoad(path, () => api<'releaseRejections'>('POST', `${path}true`)), sending = useSending(), [done, setDone] = useState<Released | null>(null);
  const submit = (): Promise<boolean> => sending.run(async () => { setDone(await api<'releaseRejections'>('POST', `${path}false`)); onDone(); });
  const shown = done ?? tried.value;
  return (
    <Dialog title="Bring in what may be taken by now" onClose={onClose}>
      {tried.error && <Failure text={tried.error} retry={tried.retry} />}
      <Form sending={sending} action={done ? 'Done' : `Bring in ${number(shown?.released ?? 0)}`} cancel={done ? undefined : onClose} isReady={!!done || (!!tried.value && tried.value.released > 0)} onSubmit={() => (done ? onClose() : void submit())}>
        <p class="muted">Requests that were refused by a rule that has changed since are read again, under the rules of now, as of the time when they came. Doing it twice doubles nothing.</p>
        <div aria-live="polite" aria-busy={!shown && !tried.error}>
          {shown && <p>{done ? `${whole(shown.released)} events were brought in.` : `Of ${whole(shown.requests)} requests, ${whole(shown.released)} events would be taken.`}</p>}
          {shown && shown.refused.length > 0 && <ul class="plain-list">{shown.refused.map((r) => <li key={r.reason}>{whole(r.events)} still not: {reasonText(r.reason)}</li>)}</ul>}
        </div>
      </Form>
    </Dialog>
  );
}
function Samples({ project }: { project: ProjectOf }) {
  const dialect = param('dialect'), reason = param('reason'), asked = new URLSearchParams({ ...(dialect ? { dialect } : {}), ...(reason ? { reason } : {}) });
  const [isOpen, setOpen] = useState(false);
  const { value: rows, error, isLoading, more, retry } = usePages(`${project.id} ${asked}`, async (after, signal) => {
    const all = new URLSearchParams([...asked, ...(after ? [['cursor', after] as [string, string]] : [])]);
    const got = await api<'getRejections'>('GET', `/v1/projects/${project.id}/rejections?${all}`, undefined, signal);
    return { rows: got.rejections, next: got.next_cursor };
  });
  return (
    <section class="card" aria-label="Samples" aria-busy={isLoading}>
      <header class="card-head">
        <div><h2>Samples of the last day</h2><p class="muted">Requests of which something was not taken, without any address.</p></div>
        {(dialect || reason) && <button type="button" class="button" onClick={() => go(withParams({ dialect: null, reason: null }), { replace: true })}>{[reason && reasonText(reason), dialect && dialectText(dialect)].filter(Boolean).join(', ')} ×<span class="hidden"> Show all</span></button>}
        {project.permissions.includes('projects:write') && <button type="button" class="button" disabled={!rows?.some((r) => r.is_releasable)} onClick={() => setOpen(true)}>Bring in …</button>}
      </header>
      {error && <Failure text={error} retry={retry} />}
      {rows?.map((r) => <SampleRow key={r.id} of={r} zone={project.time_zone} />)}
      {rows && !rows.length && <p class="muted nothing">There is none.</p>}
      {more && <button type="button" class="button more" onClick={more}>Show more</button>}
      {isOpen && <Release project={project} onDone={retry} onClose={() => setOpen(false)} />}
    </section>
  );
}

// ---- behind the answer ----
const CONSUMERS: Record<string, string> = { project: 'Events into tables', sessionize: 'Sessions', persons: 'Persons', rejected: 'What was not taken', archive: 'Archive' };
const EVERY_MS = 2000;
function Replay({ of }: { of: NonNullable<Pipeline['replay']> }) {
  return (
    <div class="replay">
      <p><b>A replay is under way</b> <span class="muted">{of.phase}{of.total > 0 && `, ${whole(of.done)} of ${whole(of.total)}`}{of.eta_ms >= 0 && `, ${number(of.eta_ms / 1000, 'seconds')} left`}</span></p>
      <progress aria-label="Replay" {...(of.total > 0 ? { value: of.done, max: of.total } : {})} />
    </div>
  );
}
function Behind({ project }: { project: ProjectOf }) {
  const path = `/v1/projects/${project.id}/pipeline` as const, { value: p, error, retry } = useLoad(path, (signal) => api<'getPipeline'>('GET', path, undefined, signal));
  useEffect(() => {
    const timer = setTimeout(() => { if (!document.hidden) retry(); }, EVERY_MS);
    return () => clearTimeout(timer);
  });
  const facts: [string, string][] = p ? [
    ['This month', p.month ? `${whole(p.month.events)} of ${whole(p.month.events_max)} events` : 'Any number of events'],
    ['Store', p.store.is_ready ? 'Ready' : 'Starting or away; events wait in the stream'],
    ['Stream', p.stream.is_halted ? 'Halted' : `${bytes(p.stream.bytes)}, since ${when(p.stream.oldest_at, project.time_zone)}`],
    ['Kept in the stream', `${p.stream.retention_hours % 24 ? `${whole(p.stream.retention_hours)} hours` : `${whole(p.stream.retention_hours / 24)} days`}${p.stream.retention_bytes ? `, at most ${bytes(p.stream.retention_bytes)}` : ''}`],
    ['Kept in the store', project.retention_days ? `${whole(project.retention_days)} days` : 'For ever'],
    ['Archive', p.archive.is_on ? 'On' : 'Off'],
    ['Free on the disk', `${bytes(p.disk.free_bytes)}; below ${bytes(p.disk.floor_bytes)} events are refused`],
  ] : [];
  return (
    <section class="card" aria-label="Pipeline" aria-busy={!p && !error}>
      <h2>Pipeline</h2>
      {error && <Failure text={error} retry={retry} />}
      {p?.replay && <Replay of={p.replay} />}
      {p && (
        <div class="behind">
          <div class="scroll" tabIndex={0} role="region" aria-label="Consumers: table">
            <table class="grid records">
              <thead><tr><th scope="col">Consumer</th><th scope="col" class="right">Events behind</th><th scope="col" class="right">Time behind</th><th scope="col">State</th></tr></thead>
              <tbody>{p.consumers.map((c) => <tr key={c.name}><th scope="row">{CONSUMERS[c.name] ?? c.name}</th><td class="right">{whole(c.lag_records)}</td><td class="right">{number(c.lag_ms / 1000, 'seconds')}</td><td class={c.is_failing ? 'error' : ''}>{c.is_failing ? 'Fails, and tries again' : c.is_rebuilding ? 'Makes all anew' : c.lag_records ? 'At work' : 'Up to date'}</td></tr>)}</tbody>
            </table>
          </div>
          <dl class="pairs">{facts.map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl>
        </div>
      )}
      <details><summary>Make the tables anew</summary><p class="muted">Whoever runs the server starts a replay there; how far it is shows here.</p><Copy text="weir replay --data DIR --from 0 --source both" /></details>
    </section>
  );
}
export function IngestionPage({ project }: { project: ProjectOf }) {
  return (
    <>
      <header class="page-head"><h1>Ingestion</h1><Choice label="Of the" all={RANGES} value={chosen('days', RANGES)} onChoose={(v) => go(withParams({ days: v === '7' ? null : v }))} /></header>
      <Arrived project={project} />
      <Samples project={project} />
      <Behind project={project} />
    </>
  );
}
