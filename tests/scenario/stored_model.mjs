// The independent model of what questions name: every name is replaced by what it stands for, a cohort by its people,
// before report_model.mjs counts. stored: {segments, goals, cohorts}, as the routes show them; around: {data, zone, now}.
import { actorBy, botOf, dayOf, midnight, passes } from './report_model.mjs';

const find = (list, name) => list.find((x) => x.id === name) ?? list.find((x) => x.name === name) ?? (() => { throw new Error(`nothing stored is called ${name}`); })();
function filter(f, stored, around) {
  const [op, what] = f;
  if (op === 'segment') return ['and', find(stored.segments, what).filters.map((x) => filter(x, stored, around))];
  if (op === 'cohort') return ['cohort', peopleOf(find(stored.cohorts, what), stored, around)];
  if (op === 'and' || op === 'or') return [op, what.map((x) => filter(x, stored, around))];
  if (op === 'not' || op === 'has_done' || op === 'has_not_done') return [op, filter(what, stored, around)];
  return f;
}
const filters = (list, stored, around) => (list ?? []).map((f) => filter(f, stored, around));
const goalOf = (g, stored) => (Array.isArray(g) ? { filters: g } : find(stored.goals, g.id ?? g));
/** A step with {goal}, {event} and filters becomes one of filters alone. */
const which = (x, stored, around) => ({ ...x, filters: [...(x.event ? [['is', 'event', [x.event]]] : []), ...(x.goal ? filters(goalOf(x.goal, stored).filters, stored, around) : []), ...filters(x.filters, stored, around)] });
/** The question without a name in it; worth: {property, currency} of its goal. */
export function expand(q, stored, around) {
  const out = { ...q };
  if (q.filters) out.filters = filters(q.filters, stored, around);
  if (q.goal) {
    const goal = goalOf(q.goal, stored);
    out.goal = filters(goal.filters, stored, around);
    if (goal.revenue) out.worth = goal.revenue;
  }
  for (const name of ['steps', 'exclusions']) if (q[name]) out[name] = q[name].map((x) => which(x, stored, around));
  for (const name of ['start', 'return']) if (q[name]) out[name] = filters(q[name], stored, around);
  return out;
}

// ---- cohorts ----
const fieldsIn = (f) => (f[0] === 'and' || f[0] === 'or' ? f[1].flatMap(fieldsIn) : f[0] === 'not' ? fieldsIn(f[1]) : [f[1]]);
function bounds(c, { zone, now }) {
  if (c.days) return [midnight(dayOf(now, zone) - c.days + 1, zone), Infinity];
  if (!c.range) return [-Infinity, Infinity];
  if (c.range[0].length > 10) return c.range.map((t) => Date.parse(t));
  const day = (text) => Date.parse(`${text}T00:00:00Z`) / 86400e3;
  return [midnight(day(c.range[0]), zone), midnight(day(c.range[1]) + 1, zone)];
}
function holds(c, own, stored, around) {
  if (c.all) return c.all.every((x) => holds(x, own, stored, around));
  if (c.any) return c.any.some((x) => holds(x, own, stored, around));
  if (c.not) return !holds(c.not, own, stored, around);
  const list = c.latest ? filters(c.latest, stored, around) : which(c.did ?? c.did_not ?? c.first_did, stored, around).filters;
  const of = own.filter((e) => botOf(e) === '' && (e.kind === '' || list.flatMap(fieldsIn).includes('kind')));
  const is = (e) => list.every((f) => passes({ event: e }, f, null));
  const [from, to] = bounds(c, around), inside = (t) => t >= from && t < to;
  if (c.latest) {
    const last = of.sort((a, b) => a.timestamp - b.timestamp || (a.id < b.id ? -1 : 1)).at(-1);
    return last !== undefined && is(last);
  }
  const did = of.filter(is);
  if (c.first_did) return did.length > 0 && inside(Math.min(...did.map((e) => e.timestamp)));
  const n = did.filter((e) => inside(e.timestamp)).length;
  return c.did ? n >= (c.at_least ?? 1) && n <= (c.at_most ?? Infinity) : n === 0;
}
/** {by: the column of an actor, of: who is in it}: of those that are there at all. */
export function peopleOf(cohort, stored, around) {
  const by = { users: 'user_id', visitors: 'visitor', persons: 'person' }[cohort.count_by];
  if (cohort.people) return { by, of: new Set(cohort.people) };
  const actors = new Set(around.data.events.map((e) => actorBy(by, e)).filter(Boolean));
  return { by, of: new Set([...actors].filter((a) => cohort.conditions.every((c) => holds(c, around.data.events.filter((e) => actorBy(by, e) === a), stored, around)))) };
}
/** What GET …/members lists: of those with conditions, who did anything that counts. */
export function membersOf(cohort, stored, around) {
  const { by, of } = peopleOf(cohort, stored, around);
  const list = cohort.people ? [...of] : [...of].filter((a) => around.data.events.some((e) => actorBy(by, e) === a && e.kind === '' && botOf(e) === ''));
  return list.sort((a, b) => (a < b ? -1 : 1));
}
