// The one style of a series: a line with a soft area, the period before it dashed, a crosshair that tells both.
import uPlot from 'uplot';
import { useEffect, useRef, useState } from 'preact/hooks';
import { bucket, number, whole, type Unit } from '../format.ts';

export interface Series { labels: string[]; now: (number | null)[]; before: (number | null)[] | null }
interface Tip { left: number; label: string; now: string; before: string | null }

const token = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const dark = matchMedia('(prefers-color-scheme: dark)');
const HEIGHT = 260;

function options(width: number, series: Series, unit: Unit, onTip: (tip: Tip | null) => void): uPlot.Options {
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
      setCursor: [(u) => {
        const i = u.cursor.idx, label = i === null || i === undefined ? undefined : series.labels[i];
        if (i === null || i === undefined || label === undefined) return onTip(null);
        onTip({ left: u.valToPos(i, 'x'), label: bucket(label, true), now: whole(series.now[i], unit), before: series.before ? whole(series.before[i], unit) : null });
      }],
    },
  };
}
export function Chart({ series, unit, what }: { series: Series; unit: Unit; what: string }) {
  const box = useRef<HTMLDivElement>(null);
  const [tip, setTip] = useState<Tip | null>(null);
  const key = JSON.stringify([series, unit]);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const data: uPlot.AlignedData = [series.labels.map((_l, i) => i), series.before ?? series.labels.map(() => null), series.now];
    let plot: uPlot | undefined;
    const draw = (): void => {
      plot?.destroy();
      plot = new uPlot(options(element.clientWidth, series, unit, setTip), data, element);
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
    <figure class="chart" role="img" aria-label={`${what}, ${series.labels.length} values from ${series.labels[0] ? bucket(series.labels[0], true) : ''}${unit === 'count' ? `, together ${whole(sum)}` : ''}`}>
      <div ref={box} class="chart-plot" style={{ height: `${HEIGHT}px` }} />
      {tip && (
        <div class="chart-tip" style={{ left: `clamp(0px, ${Math.round(tip.left)}px, 100% - 150px)` }}>
          <div class="muted">{tip.label}</div>
          <div><b>{tip.now}</b></div>
          {tip.before !== null && <div class="muted">before: {tip.before}</div>}
        </div>
      )}
    </figure>
  );
}
