// Made at build time: web/dashboard/world.mjs.
declare module 'weir:world' {
  export const WIDTH: number, HEIGHT: number;
  export const COUNTRIES: readonly (readonly [code: string, x: number, y: number, isPoint: 0 | 1, path: string])[];
}
