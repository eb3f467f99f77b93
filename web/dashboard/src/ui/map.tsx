// Where visitors are: a map of countries, the more there are the stronger its colour. For the eye and the pointer only: the
// list beside it has the same numbers, and does the same by keyboard.
import { useState } from 'preact/hooks';
import { COUNTRIES, HEIGHT, WIDTH } from 'weir:world';
import { name, whole } from '../format.ts';

const WEAKEST = 18; // percent of the accent's colour
const share = (n: number, most: number): string => `${Math.round(WEAKEST + (100 - WEAKEST) * Math.sqrt(n / most))}%`;

export interface MapProps { numbers: ReadonlyMap<string, number>; chosen: ReadonlySet<string>; pointed: string; onPoint: (code: string) => void; onChoose: (code: string) => void }
export function WorldMap({ numbers, chosen, pointed, onPoint, onChoose }: MapProps) {
  const [at, setAt] = useState<{ x: number; y: number } | null>(null); // of the pointer, in percent; else the country's middle
  const most = Math.max(1, ...numbers.values()), place = COUNTRIES.find(([code]) => code === pointed);
  const codeOf = (e: Event): string => (e.target as Element).closest('[data-code]')?.getAttribute('data-code') ?? '';
  const move = (e: PointerEvent): void => {
    const box = (e.currentTarget as Element).getBoundingClientRect(), code = codeOf(e);
    onPoint(code);
    setAt(code ? { x: ((e.clientX - box.left) / box.width) * 100, y: ((e.clientY - box.top) / box.height) * 100 } : null);
  };
  const leave = (): void => { setAt(null); onPoint(''); };
  const tip = place && (at ?? { x: (place[1] / WIDTH) * 100, y: (place[2] / HEIGHT) * 100 });
  const colour = (code: string): Record<string, string> => { const n = numbers.get(code); return n ? { '--share': share(n, most) } : {}; };
  const kind = (code: string): string => `${numbers.get(code) ? 'has' : ''} ${chosen.has(code) ? 'chosen' : ''}`;
  return (
    <div class="map" aria-hidden="true">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} onPointerMove={move} onPointerLeave={leave} onClick={(e) => { const code = codeOf(e); if (code) onChoose(code); }}>
        {COUNTRIES.map(([code, , , , path]) => path && <path key={code} data-code={code} class={`land ${kind(code)}`} style={colour(code)} d={path} />)}
        {COUNTRIES.map(([code, x, y, isPoint]) => isPoint === 1 && (numbers.has(code) || code === pointed) && (
          <g key={code} data-code={code} class={`point ${kind(code)}`} style={colour(code)}><path class="reach" d={`M${x},${y}h0`} /><path class="ring" d={`M${x},${y}h0`} /><path class="dot" d={`M${x},${y}h0`} /></g>
        ))}
        {place && (place[3] ? <path class="pointed-dot" d={`M${place[1]},${place[2]}h0`} /> : <path class="pointed" d={place[4]} />)}
      </svg>
      {place && tip && (
        <div class={`map-tip ${tip.x > 60 ? 'left' : ''}`} style={{ left: `${tip.x}%`, top: `${tip.y}%` }}>
          <div>{name('country', place[0])}</div>
          <div><b>{whole(numbers.get(place[0]) ?? 0)}</b> <span class="muted">visitors</span></div>
        </div>
      )}
      <div class="map-scale"><span>1</span><span class="map-scale-bar" /><span>{whole(most)}</span></div>
    </div>
  );
}
