// A QR code (ISO/IEC 18004) of a short text: bytes, error correction M, versions 1 to 10, the mask with the least penalty.
const ECC_PER_BLOCK = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26], BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5];
const CODEWORDS = [26, 44, 70, 100, 134, 172, 196, 242, 292, 346];
const ALIGNED: readonly (readonly number[])[] = [[], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]];
const MASKS: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0, (_x, y) => y % 2 === 0, (x) => x % 3 === 0, (x, y) => (x + y) % 3 === 0, (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0, (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0, (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

// ---- Reed-Solomon over GF(256), polynomial 0x11d ----
const EXP: number[] = [], LOG: number[] = [];
for (let i = 0, v = 1; i < 255; i++, v = (v << 1) ^ (v & 0x80 ? 0x11d : 0)) { EXP[i] = v; LOG[v] = i; }
const times = (a: number, b: number): number => (a && b ? (EXP[((LOG[a] as number) + (LOG[b] as number)) % 255] as number) : 0);
function correction(data: number[], count: number): number[] {
  let generator = [1];
  for (let i = 0; i < count; i++) generator = [...generator, 0].map((v, n) => v ^ times(generator[n - 1] ?? 0, EXP[i] as number));
  const rest = [...data, ...Array<number>(count).fill(0)];
  for (let i = 0; i < data.length; i++) {
    const factor = rest[i] as number;
    generator.forEach((g, n) => { rest[i + n] = (rest[i + n] as number) ^ times(g, factor); });
  }
  return rest.slice(data.length);
}

// ---- bits ----
/** The codewords as they are drawn: blocks interleaved, corrections behind them. */
function codewords(bytes: Uint8Array, version: number): number[] {
  const blocks = BLOCKS[version - 1] as number, each = ECC_PER_BLOCK[version - 1] as number, room = (CODEWORDS[version - 1] as number) - blocks * each;
  const bits: number[] = [], put = (value: number, count: number): void => { for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1); };
  put(4, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  bytes.forEach((b) => put(b, 8));
  put(0, Math.min(4, room * 8 - bits.length));
  while (bits.length % 8) bits.push(0);
  const data: number[] = [];
  for (let i = 0; i < bits.length; i += 8) data.push(bits.slice(i, i + 8).reduce((v, b) => v * 2 + b, 0));
  for (let pad = 0xec; data.length < room; pad ^= 0xec ^ 0x11) data.push(pad);
  const short = Math.floor(room / blocks), longer = room % blocks, parts: number[][] = [];
  for (let b = 0, at = 0; b < blocks; b++) {
    const length = short + (b >= blocks - longer ? 1 : 0);
    parts.push(data.slice(at, at + length));
    at += length;
  }
  const corrections = parts.map((p) => correction(p, each)), out: number[] = [];
  for (let i = 0; i <= short; i++) parts.forEach((p) => { if (i < p.length) out.push(p[i] as number); });
  for (let i = 0; i < each; i++) corrections.forEach((c) => out.push(c[i] as number));
  return out;
}
/** What has to be added to `value` so that `polynomial` divides it. */
function remainder(value: number, polynomial: number, degree: number): number {
  let rest = value << degree;
  for (let i = 31 - degree; i >= 0; i--) if ((rest >>> (i + degree)) & 1) rest ^= polynomial << i;
  return rest;
}

// ---- modules ----
type Grid = (boolean | undefined)[][];
function frame(version: number): Grid {
  const size = 17 + 4 * version, grid: Grid = Array.from({ length: size }, () => Array<boolean | undefined>(size).fill(undefined));
  const set = (x: number, y: number, v: boolean): void => { if (x >= 0 && y >= 0 && x < size && y < size) (grid[y] as boolean[])[x] = v; };
  const square = (cx: number, cy: number, reach: number, isDark: (ring: number) => boolean): void => { for (let dy = -reach; dy <= reach; dy++) for (let dx = -reach; dx <= reach; dx++) set(cx + dx, cy + dy, isDark(Math.max(Math.abs(dx), Math.abs(dy)))); };
  for (let i = 0; i < size; i++) { set(6, i, i % 2 === 0); set(i, 6, i % 2 === 0); }
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]] as const) square(x, y, 4, (ring) => ring !== 2 && ring !== 4);
  const at = ALIGNED[version - 1] ?? [], last = at.at(-1);
  for (const x of at) for (const y of at) if (!(x === 6 && (y === 6 || y === last)) && !(y === 6 && x === last)) square(x, y, 2, (ring) => ring !== 1);
  if (version >= 7) {
    const bits = (version << 12) | remainder(version, 0x1f25, 12);
    for (let i = 0; i < 18; i++) for (const [x, y] of [[size - 11 + (i % 3), Math.floor(i / 3)], [Math.floor(i / 3), size - 11 + (i % 3)]] as const) set(x, y, ((bits >> i) & 1) === 1);
  }
  format(grid, 0);
  return grid;
}
function format(grid: Grid, mask: number): void {
  const size = grid.length, bits = ((mask << 10) | remainder(mask, 0x537, 10)) ^ 0x5412; // M is 00
  const set = (x: number, y: number, i: number): void => { (grid[y] as boolean[])[x] = ((bits >> i) & 1) === 1; };
  for (let i = 0; i < 15; i++) {
    if (i < 8) set(8, i < 6 ? i : i + 1, i);
    else set(i === 8 ? 7 : 14 - i, 8, i);
    if (i < 8) set(size - 1 - i, 8, i);
    else set(8, size - 15 + i, i);
  }
  (grid[size - 8] as boolean[])[8] = true;
}
function drawn(words: number[], blank: Grid, mask: number): boolean[][] {
  const grid = blank.map((row) => [...row]), size = grid.length, flips = MASKS[mask] as (x: number, y: number) => boolean;
  let at = 0;
  for (let right = size - 1; right > 0; right -= right === 8 ? 3 : 2)
    for (let step = 0; step < size; step++)
      for (const x of [right, right - 1]) {
        const y = (right + 1) & 2 ? step : size - 1 - step, row = grid[y] as (boolean | undefined)[];
        if (row[x] !== undefined) continue;
        const bit = (((words[at >> 3] ?? 0) >> (7 - (at & 7))) & 1) === 1;
        at++;
        row[x] = bit !== flips(x, y);
      }
  format(grid, mask);
  return grid as boolean[][];
}
function penalty(grid: boolean[][]): number {
  const size = grid.length, columns = grid.map((_r, x) => grid.map((r) => r[x] as boolean));
  let sum = 0, dark = 0;
  for (const line of [...grid, ...columns]) {
    const text = line.map((v) => (v ? '1' : '0')).join('');
    for (const run of text.match(/0+|1+/g) ?? []) if (run.length >= 5) sum += run.length - 2;
    for (const pattern of ['10111010000', '00001011101']) for (let i = text.indexOf(pattern); i >= 0; i = text.indexOf(pattern, i + 1)) sum += 40;
  }
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
    const v = grid[y]?.[x];
    if (v) dark++;
    if (y && x && v === grid[y - 1]?.[x] && v === grid[y]?.[x - 1] && v === grid[y - 1]?.[x - 1]) sum += 3;
  }
  return sum + Math.floor(Math.abs((dark / size / size) * 20 - 10)) * 10;
}
/** Rows of modules, true is dark; null if the text is too long. */
export function qrCode(text: string): boolean[][] | null {
  const bytes = new TextEncoder().encode(text);
  const version = CODEWORDS.findIndex((all, i) => bytes.length + (i < 9 ? 2 : 3) <= all - (BLOCKS[i] as number) * (ECC_PER_BLOCK[i] as number)) + 1;
  if (!version) return null;
  const words = codewords(bytes, version), blank = frame(version), all = MASKS.map((_m, mask) => drawn(words, blank, mask)), worth = all.map(penalty);
  return all[worth.indexOf(Math.min(...worth))] ?? null;
}
const QUIET = 4;
export function QrCode({ text, label }: { text: string; label: string }) {
  const rows = qrCode(text);
  if (!rows) return null;
  const size = rows.length + 2 * QUIET, path = rows.flatMap((row, y) => row.map((v, x) => (v ? `M${x + QUIET},${y + QUIET}h1v1h-1z` : ''))).join('');
  return <svg class="qr" role="img" aria-label={label} viewBox={`0 0 ${size} ${size}`} shape-rendering="crispEdges"><path d={path} /></svg>;
}
