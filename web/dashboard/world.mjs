// The countries as paths for the map: shapes of world-atlas (TopoJSON, made of Natural Earth's), in the Equal Earth projection
// (areas are true), in whole units of a drawing 1000 wide.
//
// The coarse set has the shapes; who is missing there, or hardly to be seen, is a point. The points come from the finer set.
import { readFileSync } from 'node:fs';
import path from 'node:path';

export const WIDTH = 1000;
const NORTH = 83.7, SOUTH = -56; // Antarctica is left out: nobody's address is there
const AREA_SEEN = 12; // smaller ones are points as well
const RING_SEEN = 0.8; // smaller islands are left out

// ---- TopoJSON ----
/** Each arc as degrees; stored are steps on a grid. */
function arcsOf({ arcs, transform: { scale, translate } }) {
  return arcs.map((arc) => {
    let x = 0, y = 0;
    return arc.map(([dx, dy]) => [(x += dx) * scale[0] + translate[0], (y += dy) * scale[1] + translate[1]]);
  });
}
/** Arcs end to end; ~i is arc i backwards. Where one ends the next begins, and the ring where it began. */
const ring = (arcs, ids) => ids.flatMap((i) => (i < 0 ? arcs[~i].toReversed() : arcs[i]).slice(1));
/** A ring that crosses the date line, as the parts on either side. */
function parts(points) {
  let turns = 0;
  const unrolled = points.map(([x, y], i) => {
    const step = x - points[Math.max(i - 1, 0)][0];
    turns += Math.abs(step) > 180 ? -Math.sign(step) : 0;
    return [x + 360 * turns, y];
  });
  return [-360, 0, 360].map((by) => beside(beside(unrolled.map(([x, y]) => [x + by, y]), 180), -180)).filter((p) => p.length > 2);
}
/** What of a ring is between the meridian 0 and this one, and beyond 0. */
function beside(points, meridian) {
  const isIn = ([x]) => x * Math.sign(meridian) <= 180;
  return points.flatMap((p, i) => {
    const q = points.at(i - 1), cut = isIn(p) === isIn(q) ? [] : [[meridian, q[1] + ((meridian - q[0]) / (p[0] - q[0])) * (p[1] - q[1])]];
    return isIn(p) ? [...cut, p] : cut;
  });
}
/** code → polygons, each a list of rings. */
function countriesOf(topology) {
  const arcs = arcsOf(topology), all = new Map();
  for (const g of topology.objects.countries.geometries) {
    const code = codeOf(g);
    if (!code) continue;
    const polygons = (g.type === 'Polygon' ? [g.arcs] : g.arcs ?? []).flatMap(([outer, ...holes]) => parts(ring(arcs, outer)).map((p) => [p, ...holes.map((ids) => ring(arcs, ids))]));
    all.set(code, [...(all.get(code) ?? []), ...polygons]);
  }
  return all;
}

// ---- codes ----
// Numbers of ISO 3166 are aliases of its letters to Unicode. These have none: what addresses there are counted under.
const UNNUMBERED = { Kosovo: 'XK', 'N. Cyprus': 'CY', Somaliland: 'SO' };
const codeOf = (g) => { const code = g.id ? new Intl.Locale(`und-${g.id}`).region : UNNUMBERED[g.properties.name]; return code === 'AQ' ? undefined : code; };
// Codes of their own that the shapes have as parts of another, or not at all: a place in each, longitude and latitude.
const APART = { GF: [-53.1, 4], GP: [-61.6, 16.2], MQ: [-61, 14.65], RE: [55.5, -21.1], YT: [45.15, -12.8], BQ: [-68.3, 12.2], SJ: [16, 78.6], GI: [-5.35, 36.14], TV: [179.2, -8.5], TK: [-171.8, -9.2], CC: [96.8, -12.2], CX: [105.6, -10.5] };
function setApart(countries) {
  for (const [code, at] of Object.entries(APART))
    for (const [of, polygons] of countries) {
      const own = polygons.filter(([outer]) => contains(outer, at)), largest = Math.max(...polygons.map(([outer]) => area(outer)));
      if (own.length && of !== code && area(own[0][0]) < largest) {
        countries.set(of, polygons.filter((p) => !own.includes(p)));
        countries.set(code, own);
      }
    }
  return countries;
}
function contains(points, [x, y]) {
  let isInside = false;
  points.forEach(([x1, y1], i) => {
    const [x0, y0] = points.at(i - 1);
    if (y1 > y !== y0 > y && x < ((x0 - x1) * (y - y1)) / (y0 - y1) + x1) isInside = !isInside;
  });
  return isInside;
}

// ---- on paper ----
// Equal Earth: Šavrič, Patterson, Jenny, 2018.
function equalEarth([longitude, latitude]) {
  const rad = Math.PI / 180, t = Math.asin((Math.sqrt(3) / 2) * Math.sin(latitude * rad)), t2 = t * t, t6 = t2 ** 3;
  const x = (2 * Math.sqrt(3) * longitude * rad * Math.cos(t)) / (3 * (9 * 0.003796 * t2 * t6 + 7 * 0.000893 * t6 - 3 * 0.081106 * t2 + 1.340264));
  return [x, t * (0.003796 * t2 * t6 + 0.000893 * t6 - 0.081106 * t2 + 1.340264)];
}
const [EAST] = equalEarth([180, 0]), [, TOP] = equalEarth([0, NORTH]), [, BOTTOM] = equalEarth([0, SOUTH]), UNIT = WIDTH / (2 * EAST);
export const HEIGHT = Math.ceil((TOP - BOTTOM) * UNIT);
const drawn = (at) => { const [x, y] = equalEarth(at); return [(x + EAST) * UNIT, (TOP - y) * UNIT]; };
const area = (points) => Math.abs(points.reduce((sum, [x, y], i) => { const [x0, y0] = points.at(i - 1); return sum + (x0 * y - x * y0); }, 0)) / 2;
function middle(points) {
  let doubled = 0, cx = 0, cy = 0;
  points.forEach(([x, y], i) => {
    const [x0, y0] = points.at(i - 1), cross = x0 * y - x * y0;
    doubled += cross;
    cx += (x0 + x) * cross;
    cy += (y0 + y) * cross;
  });
  return doubled ? [cx / (3 * doubled), cy / (3 * doubled)] : points[0];
}
/** From the last point that counted to the next, in whole units. */
function pathOf(points) {
  let text = '', last = null;
  for (const [x, y] of points.map((p) => p.map(Math.round))) {
    if (!last) text += `M${x},${y}l`;
    else if (x === last[0] && y === last[1]) continue;
    else text += `${x - last[0]},${y - last[1]} `;
    last = [x, y];
  }
  return `${text.trimEnd().replace(/[ ,]-/g, '-')}z`;
}

/** [code, x, y, whether it is a point, path], by code; x and y are the middle of its largest part. */
export function world(root) {
  const read = (set) => setApart(countriesOf(JSON.parse(readFileSync(path.join(root, `node_modules/world-atlas/countries-${set}.json`), 'utf8'))));
  const [coarse, fine] = ['110m', '50m'].map(read);
  return [...new Set([...fine.keys(), ...Object.keys(APART)])].sort().map((code) => {
    const shapes = (coarse.get(code) ?? []).map((p) => p.map((r) => r.map(drawn))).filter(([outer]) => area(outer) >= RING_SEEN);
    const outers = shapes.map(([outer]) => outer), places = outers.length ? outers : (fine.get(code) ?? []).map(([outer]) => outer.map(drawn));
    const largest = places.reduce((best, p) => (best && area(best) >= area(p) ? best : p), null);
    const [x, y] = (largest ? middle(largest) : drawn(APART[code])).map(Math.round);
    return [code, x, y, outers.reduce((sum, p) => sum + area(p), 0) < AREA_SEEN ? 1 : 0, shapes.flat().map(pathOf).join('')];
  });
}
/** What the map is made of, for whoever has to look at changes. */
export const sources = (root) => ['110m', '50m'].map((set) => path.join(root, `node_modules/world-atlas/countries-${set}.json`));
