// The one style of a series: a line with a soft area, the period before it dashed, a crosshair that tells both; what happened as
// lines across, and as a list below.
import uPlot from 'uplot';
import { useEffect, useRef, useState } from 'preact/hooks';
import { bucket, number, whole, type Unit } from '../format.ts';
import type { Mark } from './marks.ts';

/** `limits`: values that something is measured by, as lines. */
export interface Series { labels: string[]; now: (number | null)[]; before: (number | null)[] | null; limits?: readonly number[] }
interface Tip { left: number; label: string; now: string; before: string | null; marks: string[] }

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const dark = matchMedia('(prefers-color-scheme: dark)');
const HEIGHT = 260;

/** A dashed line across at each point that has one, with a dot on top. */
function drawMarks(u: uPlot, places: number[], colour: string): void {
  const { ctx, bbox } = u, dpr = devicePixelRatio || 1;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = dpr;
  for (const i of places) {
    const x = Math.round(u.valToPos(i, 'x', true));
    ctx.setLineDash([2 * dpr, 3 * dpr]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.beginPath();
    ctx.arc(x, bbox.top, 3.5 * dpr, 0, 2 * Math.PI);
    ctx.fill();
  }
  ctx.restore();
}
/** Dotted lines at what a value is measured by. */
function drawLimits(u: uPlot, limits: readonly number[], colour: string): void {
  const { ctx, bbox } = u, dpr = devicePixelRatio || 1;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = dpr;
  ctx.setLineDash([2 * dpr, 3 * dpr]);
  for (const y of limits.map((limit) => Math.round(u.valToPos(limit, 'y', true))).filter((y) => y >= bbox.top)) {
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}
function options(width: number, series: Series, unit: Unit, marks: readonly Mark[], onTip: (tip: Tip | null) => void): uPlot.Options {
  const ink = token('ink-3'), line = token('line'), accent = token('accent'), font = '12px system-ui, sans-serif';
  return {
    width, height: HEIGHT, padding: [12, 24, 0, 0], legend: { show: false },
    cursor: { y: false, points: { size: 7, fill: accent, stroke: token('surface') } },
    scales: { x: { time: false }, y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
    axes: [
      { stroke: ink, font, grid: { show: false }, ticks: { show: false }, size: 28, values: (_u, at) => at.map((i) => (Number.isInteger(i) && series.labels[i] !== undefined ? bucket(series.labels[i]) : '')), space: 72 },
      { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: 56, values: (_u, at) => at.map((v) => (unit === 'count' && !Number.isInteger(v) ? '' : number(v, unit))), space: 44 },
    ],
    series: [{},
      { stroke: token('ink-3'), width: 1.5, dash: [4, 4], points: { show: false } },
      { stroke: accent, width: 2, fill: token('accent-soft'), points: { show: series.labels.length < 3, fill: accent } }],
    hooks: {
      draw: [(u) => drawMarks(u, marks.map((m) => series.labels.indexOf(m.label)), token('ink-2')), (u) => drawLimits(u, series.limits ?? [], ink)],
      setCursor: [(u) => {
        const i = u.cursor.idx, label = i === null || i === undefined ? undefined : series.labels[i];
        if (i === null || i === undefined || label === undefined) return onTip(null);
        onTip({ left: u.valToPos(i, 'x'), label: bucket(label, true), now: whole(series.now[i], unit), before: series.before ? whole(series.before[i], unit) : null, marks: marks.filter((m) => m.label === label).map((m) => m.text) });
      }],
    },
  };
}
const NONE: readonly Mark[] = [];
export function Chart({ series, unit, what, marks = NONE }: { series: Series; unit: Unit; what: string; marks?: readonly Mark[] }) {
  const box = useRef<HTMLDivElement>(null);
  const [tip, setTip] = useState<Tip | null>(null);
  const key = JSON.stringify([series, unit, marks]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const data: uPlot.AlignedData = [series.labels.map((_l, i) => i), series.before ?? series.labels.map(() => null), series.now];
    let plot: uPlot | undefined;
    const draw = (): void => {
      plot?.destroy();
      plot = new uPlot(options(element.clientWidth, series, unit, marks, setTip), data, element);
    };
    draw();
    const resized = new ResizeObserver(() => { if (plot && element.clientWidth !== plot.width) plot.setSize({ width: element.clientWidth, height: HEIGHT }); });
    resized.observe(element);
    dark.addEventListener('change', draw);
    addEventListener('weir-theme', draw);
    return () => {
      resized.disconnect();
      dark.removeEventListener('change', draw);
      removeEventListener('weir-theme', draw);
      plot?.destroy();
    };
  }, [key]);
  const sum = series.now.reduce<number>((a, v) => a + (v ?? 0), 0);
  return (
    <>
      <figure class="chart" role="img" aria-label={`${what}, ${series.labels.length} values from ${series.labels[0] ? bucket(series.labels[0], true) : ''}${unit === 'count' ? `, together ${whole(sum)}` : ''}`}>
        <div ref={box} class="chart-plot" style={{ height: `${HEIGHT}px` }} />
        {tip && (
          <div class="chart-tip" style={{ left: `clamp(0px, ${Math.round(tip.left)}px, 100% - 150px)` }}>
            <div class="muted">{tip.label}</div>
            <div><b>{tip.now}</b></div>
            {tip.before !== null && <div class="muted">before: {tip.before}</div>}
            {tip.marks.map((m) => <div key={m}>{m}</div>)}
          </div>
        )}
      </figure>
      {marks.length > 0 && <ul class="marks" aria-label="What happened">{marks.map((m, i) => <li key={i}><span class="muted">{bucket(m.label)}</span> {m.text}</li>)}</ul>}
    </>
  );
}
