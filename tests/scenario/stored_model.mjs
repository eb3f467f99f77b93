// The independent model of what questions name: every name is replaced by what it stands for, before report_model.mjs
// counts. stored: {segments, goals, cohorts}, as the routes show them.
const find = (list, name) => list.find((x) => x.id === name) ?? list.find((x) => x.name === name) ?? (() => { throw new Error(`nothing stored is called ${name}`); })();
function filter(f, stored) {
  const [op, what] = f;
  if (op === 'segment') return ['and', find(stored.segments, what).filters.map((x) => filter(x, stored))];
  if (op === 'and' || op === 'or') return [op, what.map((x) => filter(x, stored))];
  if (op === 'not' || op === 'has_done' || op === 'has_not_done') return [op, filter(what, stored)];
  return f;
}
const filters = (list, stored) => (list ?? []).map((f) => filter(f, stored));
const goalOf = (g, stored) => (Array.isArray(g) ? { filters: g } : find(stored.goals, g.id ?? g));
/** A step with {goal} and filters becomes one of filters alone. */
const which = (x, stored) => ({ ...x, filters: [...(x.goal ? filters(goalOf(x.goal, stored).filters, stored) : []), ...filters(x.filters, stored)] });
/** The question without a name in it; worth: {property, currency} of its goal. */
export function expand(q, stored) {
  const out = { ...q };
  if (q.filters) out.filters = filters(q.filters, stored);
  if (q.goal) {
    const goal = goalOf(q.goal, stored);
    out.goal = filters(goal.filters, stored);
    if (goal.revenue) out.worth = goal.revenue;
  }
  for (const name of ['steps', 'exclusions']) if (q[name]) out[name] = q[name].map((x) => which(x, stored));
  for (const name of ['start', 'return']) if (q[name]) out[name] = filters(q[name], stored);
  return out;
}
