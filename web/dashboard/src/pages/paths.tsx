import { report } from '../api.ts';
import { number, whole } from '../format.ts';
import { useLoad } from '../load.ts';
import { filters, go, param, withParams } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Failure, TextField } from '../ui/parts.tsx';
import { rangeOf } from '../ui/range.tsx';
import { SqlButton } from '../ui/sql.tsx';
import { Flow, type Edge } from '../ui/flow.tsx';
import { Choice, chosen } from '../ui/steps.tsx';

const NODES = [['page', 'Pages'], ['event', 'Events'], ['both', 'Pages and events']] as const;
const STEPS = [['4', '4'], ['3', '3'], ['5', '5'], ['6', '6'], ['8', '8']] as const;
const EDGES = 28;

export function PathsPage({ project }: { project: ProjectOf }) {
  const from = param('from'), to = param('to');
  const question = { report: 'paths', date_range: rangeOf(), filters: filters.value, nodes: chosen('nodes', NODES), steps: Number(chosen('steps', STEPS)), limit: EDGES, ...(from ? { from } : {}), ...(to ? { to } : {}) };
  const { value, error, isLoading, retry } = useLoad(JSON.stringify([project.id, question]), (signal) => report<Edge>(project.id, question, signal));
  const text = (name: string, label: string) => <label class="choice">{label}<TextField value={param(name) ?? ''} placeholder="any" onDone={(t) => go(withParams({ [name]: t || null }))} /></label>;
  return (
    <>
      <h1 class="hidden">Paths of {project.name}</h1>
      <section class="card" aria-label="What is followed">
        <h2>Paths</h2>
        <div class="choices">
          <Choice label="Through" all={NODES} value={chosen('nodes', NODES)} onChoose={(v) => go(withParams({ nodes: v === 'page' ? null : v }))} />
          {text('from', 'From')}{text('to', 'To')}
          <Choice label="Steps" all={STEPS} value={chosen('steps', STEPS)} onChoose={(v) => go(withParams({ steps: v === '4' ? null : v }))} />
          {(from || to) && <button type="button" class="button" onClick={() => go(withParams({ from: null, to: null }))}>From anywhere to anywhere</button>}
        </div>
      </section>
      <section class="card" aria-label="Paths" aria-busy={isLoading}>
        {error && <Failure text={error} retry={retry} />}
        {value && (value.results.length ? <Flow edges={value.results} onChoose={(node) => go(withParams({ from: node, to: null }))} /> : <p class="muted">Nobody went further in this range.</p>)}
        {value && value.results.length > 0 && (
          <details>
            <summary>As a table</summary>
            <table class="grid">
              <thead><tr><th scope="col">Step</th><th scope="col">From</th><th scope="col">To</th><th scope="col" class="right">Ways</th><th scope="col" class="right">Time between</th></tr></thead>
              <tbody>{value.results.map((e) => <tr key={`${e.step} ${e.source} ${e.target}`}><td>{e.step}</td><td>{e.source}</td><td>{e.target}</td><td class="right" title={whole(e.count)}>{number(e.count)}</td><td class="right">{number(e.seconds, 'seconds')}</td></tr>)}</tbody>
            </table>
          </details>
        )}
      </section>
      <SqlButton project={project} of={[{ text: 'Paths', question }]} />
    </>
  );
}
