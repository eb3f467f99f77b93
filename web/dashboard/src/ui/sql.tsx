// The statements behind what a page shows, in a drawer: with their parameters, to copy.
import { useState } from 'preact/hooks';
import { sqlOf } from '../api.ts';
import { useLoad } from '../load.ts';
import { sharedLink } from '../location.ts';
import type { ProjectOf } from '../session.ts';
import { Dialog } from './form.tsx';
import { Copy, Failure, Tabs } from './parts.tsx';
import { SaveReport } from './reports.tsx';

const CLAUSE = /^(SELECT|FROM|PREWHERE|WHERE|GROUP BY|HAVING|WINDOW|ORDER BY|LIMIT|UNION ALL|SETTINGS|(?:LEFT |INNER |ANY |GLOBAL )*(?:ARRAY )?JOIN|AND)\b/;
/** The same statement over several lines: nothing but blanks outside of texts is changed. */
export function laidOut(sql: string): string {
  const selects = [0]; // depth of parentheses at which each open SELECT stands
  let out = '', depth = 0;
  const line = (more = 0): void => { out = `${out.trimEnd()}\n${'  '.repeat(selects.length - 1 + more)}`; };
  for (let i = 0; i < sql.length;) {
    const c = sql[i] as string, quoted = /^(['"`])(?:\\.|(?!\1)[^\\])*\1/s.exec(sql.slice(i, c === "'" || c === '"' || c === '`' ? undefined : i))?.[0];
    if (quoted) { out += quoted; i += quoted.length; continue; }
    if (c === '(') {
      depth++;
      out += c;
      if (/^\s*(SELECT|WITH)\b/.test(sql.slice(i + 1, i + 12))) { selects.push(depth); line(); }
    } else if (c === ')') {
      if (selects.length > 1 && selects.at(-1) === depth) { selects.pop(); line(); }
      depth--;
      out += c;
    } else if (/\s/.test(c) && selects.at(-1) === depth) {
      const clause = CLAUSE.exec(sql.slice(i, i + 40).trimStart())?.[0];
      if (clause) line(clause === 'AND' ? 1 : 0);
      else out += out.endsWith(' ') || out.endsWith('\n') ? '' : ' ';
    } else out += c;
    i++;
  }
  return out.trim();
}
export interface Asked { text: string; question: object }
function Drawer({ project, of, onClose }: { project: ProjectOf; of: readonly Asked[]; onClose: () => void }) {
  const [at, setAt] = useState('0'), asked = of[Number(at)] ?? of[0];
  const { value, error, isLoading, retry } = useLoad(JSON.stringify([project.id, asked]), (signal) => sqlOf(project.id, asked?.question ?? {}, signal));
  return (
    <Dialog title="SQL" kind="drawer" onClose={onClose}>
      {of.length > 1 && <Tabs label="Of what" all={of.map((a, i) => [String(i), a.text] as const)} value={at} onChoose={setAt} />}
      {error && <Failure text={error} retry={retry} />}
      <div class="sql" aria-busy={isLoading}>
        {value?.statements.map((s, i) => <Copy key={i} text={laidOut(s)} />)}
        {value && (
          <table class="grid">
            <caption class="hidden">Parameters</caption>
            <thead><tr><th scope="col">Parameter</th><th scope="col">Value</th></tr></thead>
            <tbody>{Object.entries(value.parameters).map(([k, v]) => <tr key={k}><th scope="row"><code>{k}</code></th><td><code>{v}</code></td></tr>)}</tbody>
          </table>
        )}
      </div>
    </Dialog>
  );
}
/** `of`: what the page asks, the first first. It can be kept, too. */
export function SqlButton({ project, of }: { project: ProjectOf; of: readonly Asked[] }) {
  const [isOpen, setOpen] = useState(false);
  if (sharedLink.value) return null;
  return <div class="page-foot"><SaveReport project={project} of={of} /><button type="button" class="button quiet" onClick={() => setOpen(true)}>SQL</button>{isOpen && <Drawer project={project} of={of} onClose={() => setOpen(false)} />}</div>;
}
