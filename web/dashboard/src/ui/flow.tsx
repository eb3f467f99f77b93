// A flow of steps (a Sankey diagram): a column for each step, nodes as tall as what passes through them, bands between.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { EdgeRow } from '../api.ts';
import { number, whole } from '../format.ts';

export type Edge = EdgeRow;
interface Node { name: string; column: number; in: number; out: number; y: number; height: number }
interface Band { edge: Edge; x0: number; x1: number; y0: number; y1: number; width: number }

const HEIGHT = 460, GAP = 6, NODE_WIDTH = 8, LABEL = 18;
const keyOf = (column: number, name: string): string => `${column} ${name}`;

export function layOut(edges: Edge[], width: number): { nodes: Node[]; bands: Band[]; columns: number } {
  const nodes = new Map<string, Node>(), first = Math.min(...edges.map((e) => e.step));
  const node = (column: number, name: string): Node => {
    const found = nodes.get(keyOf(column, name)) ?? { name, column, in: 0, out: 0, y: 0, height: 0 };
    nodes.set(keyOf(column, name), found);
    return found;
  };
  for (const e of edges) {
    node(e.step - first, e.source).out += e.count;
    node(e.step - first + 1, e.target).in += e.count;
  }
  const columns = Math.max(...[...nodes.values()].map((n) => n.column)) + 1;
  const by = Array.from({ length: columns }, (_v, c) => [...nodes.values()].filter((n) => n.column === c).sort((a, b) => Math.max(b.in, b.out) - Math.max(a.in, a.out) || (a.name < b.name ? -1 : 1)));
  const scale = Math.min(...by.map((all) => (HEIGHT - all.length * (GAP + LABEL)) / all.reduce((n, x) => n + Math.max(x.in, x.out), 0)));
  for (const all of by) {
    let y = 0;
    for (const n of all) {
      n.height = Math.max(2, Math.max(n.in, n.out) * Math.max(scale, 0));
      n.y = y + LABEL;
      y += n.height + GAP + LABEL;
    }
  }
  const room = columns > 1 ? (width - NODE_WIDTH - 140) / (columns - 1) : 0, used = new Map<Node, { in: number; out: number }>();
  const place = (n: Node, side: 'in' | 'out', count: number): number => {
    const at = used.get(n) ?? { in: 0, out: 0 }, y = n.y + at[side];
    at[side] += (count / Math.max(n.in, n.out)) * n.height;
    used.set(n, at);
    return y;
  };
  const order = (e: Edge): number => node(e.step - first, e.source).y * 10000 + node(e.step - first + 1, e.target).y;
  const bands = [...edges].sort((a, b) => a.step - b.step || order(a) - order(b)).map((edge): Band => {
    const source = node(edge.step - first, edge.source), target = node(edge.step - first + 1, edge.target);
    return { edge, x0: source.column * room + NODE_WIDTH, x1: target.column * room, y0: place(source, 'out', edge.count), y1: place(target, 'in', edge.count), width: Math.max(1, (edge.count / Math.max(source.in, source.out)) * source.height) };
  });
  for (const n of nodes.values()) n.column *= room;
  return { nodes: [...nodes.values()], bands, columns };
}
export function Flow({ edges, onChoose }: { edges: Edge[]; onChoose: (node: string) => void }) {
  const box = useRef<HTMLDivElement>(null), [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const resized = new ResizeObserver(() => setWidth(element.clientWidth));
    resized.observe(element);
    setWidth(element.clientWidth);
    return () => resized.disconnect();
  }, []);
  const wide = Math.max(width, 560), { nodes, bands } = layOut(edges, wide);
  const height = Math.max(HEIGHT, ...nodes.map((n) => n.y + n.height + GAP));
  return (
    <div class="scroll" ref={box} tabIndex={0} role="region" aria-label="Flow">
      {width > 0 && (
        <svg class="flow" width={wide} height={height} role="group" aria-label="Ways, step by step">
          {bands.map((b) => {
            const middle = (b.x0 + b.x1) / 2, y0 = b.y0 + b.width / 2, y1 = b.y1 + b.width / 2;
            return <path key={`${b.edge.step} ${b.edge.source} ${b.edge.target}`} class="flow-band" d={`M${b.x0},${y0}C${middle},${y0} ${middle},${y1} ${b.x1},${y1}`} stroke-width={b.width}><title>{`${b.edge.source} → ${b.edge.target}: ${whole(b.edge.count)}, ${number(b.edge.seconds, 'seconds')} between`}</title></path>;
          })}
          {nodes.map((n) => (
            <g key={keyOf(n.column, n.name)} class="flow-node" role="button" tabindex={0} aria-label={`${n.name}: ${whole(Math.max(n.in, n.out))}. Show the paths from here`} onClick={() => onChoose(n.name)} onKeyDown={(e) => { if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); onChoose(n.name); } }}>
              <rect x={n.column} y={n.y} width={NODE_WIDTH} height={n.height} rx="2" />
              <text x={n.column} y={n.y - 6}>{n.name.length > 22 ? `${n.name.slice(0, 21)}…` : n.name} <tspan>{number(Math.max(n.in, n.out))}</tspan></text>
            </g>
          ))}
        </svg>
      )}
    </div>
  );
}
