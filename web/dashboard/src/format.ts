// Numbers and dates as the reader's locale writes them, in the project's time zone.
const locale = navigator.language;
const exact = new Intl.NumberFormat(locale), short = new Intl.NumberFormat(locale, { notation: 'compact', maximumSignificantDigits: 3 });
const decimal = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 }), percent = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat(locale, { maximumFractionDigits: 3 });
export const NOTHING = '–';
function money(value: number, currency: string, isShort = false): string {
  try {
    return new Intl.NumberFormat(locale, { style: 'currency', currency, ...(isShort ? { notation: 'compact', maximumSignificantDigits: 3 } : {}) }).format(value);
  } catch { // no currency that is known
    return `${decimal.format(value)} ${currency}`;
  }
}

/** Of money: its currency behind the colon. */
export type Unit = 'count' | 'ratio' | 'percent' | 'seconds' | 'ms' | 'score' | `money:${string}`;
export function number(value: number | null | undefined, unit: Unit = 'count'): string {
  if (value === null || value === undefined) return NOTHING;
  if (unit === 'percent') return `${percent.format(value)} %`;
  if (unit === 'ratio') return decimal.format(value);
  if (unit === 'seconds') return duration(value);
  if (unit === 'ms') return value < 1000 ? `${exact.format(Math.round(value))} ms` : `${decimal.format(value / 1000)} s`;
  if (unit === 'score') return fine.format(value);
  if (unit !== 'count') return money(value, unit.slice('money:'.length), Math.abs(value) >= 100000);
  return Math.abs(value) < 10000 ? exact.format(value) : short.format(value);
}
export const whole = (value: number | null | undefined, unit: Unit = 'count'): string => (value === null || value === undefined ? NOTHING : unit === 'count' ? exact.format(value) : unit.startsWith('money:') ? money(value, unit.slice('money:'.length)) : number(value, unit));
function duration(seconds: number): string {
  const s = Math.round(seconds), m = Math.floor(s / 60), h = Math.floor(m / 60);
  return h ? `${h} h ${m % 60} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
}
/** In percent; null where there is nothing to compare with. */
export const change = (now: number | null | undefined, before: number | null | undefined): number | null => (now === null || now === undefined || !before ? null : ((now - before) / before) * 100);
export const changeText = (value: number): string => `${value > 0 ? '+' : ''}${Math.abs(value) >= 1000 ? exact.format(Math.round(value)) : percent.format(value)} %`;

/** A bucket's label ("2026-03-29", "2026-03-29T03:00:00+02:00") is local time already: the offset only says which. */
export function bucket(label: string, long = false): string {
  const [date = '', time = ''] = label.split('T');
  const day = new Date(`${date}T00:00:00Z`).toLocaleDateString(locale, { timeZone: 'UTC', day: 'numeric', month: long ? 'long' : 'short', ...(long ? { weekday: 'short', year: 'numeric' } : {}) });
  return time ? (long ? `${day}, ${time.slice(0, 5)}` : time.slice(0, 5)) : day;
}
const regions = new Intl.DisplayNames(locale, { type: 'region' }), languages = new Intl.DisplayNames(locale, { type: 'language' });
export function name(field: string, value: string | null): string {
  if (!value) return field === 'source' || field === 'channel' ? 'Direct' : 'Not known';
  try {
    if (field === 'country') return regions.of(value) ?? value;
    if (field === 'locale') return languages.of(value) ?? value;
  } catch { /* not a code */ }
  return value;
}

const formats = new Map<string, Intl.DateTimeFormat>();
function formatOf(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options), made = formats.get(key) ?? new Intl.DateTimeFormat(locale, { ...options, timeZone: zone || 'UTC' });
  formats.set(key, made);
  return made;
}
/** A moment, to the second, in this zone. */
export const moment = (at: number | string, zone: string): string => formatOf(zone, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(at));
/** The same to the minute, "–" where there is none; without a zone, in the reader's. */
export const when = (at: string | null | undefined, zone = Intl.DateTimeFormat().resolvedOptions().timeZone): string => (at ? formatOf(zone, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at)) : NOTHING);
/** The same of how long something lasted. */
export const span = (from: string, to: string, zone: string): string => formatOf(zone, { dateStyle: 'medium', timeStyle: 'short' }).formatRange(new Date(from), new Date(to));
export const time = (at: number | string, zone: string): string => formatOf(zone, { timeStyle: 'medium' }).format(new Date(at));
const SIZES = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
export function bytes(value: number): string {
  const size = Math.min(SIZES.length - 1, value < 1000 ? 0 : Math.floor(Math.log10(value) / 3));
  return new Intl.NumberFormat(locale, { style: 'unit', unit: SIZES[size] as string, maximumSignificantDigits: 3 }).format(value / 1000 ** size);
}
/** The day of an instant in a time zone, "2026-03-29", or with its hour, "2026-03-29T03:00". */
export function localLabel(instant: Date, timeZone: string, withHour = false): string {
  const [day = '', time = ''] = instant.toLocaleString('sv-SE', { timeZone }).split(' ');
  return withHour ? `${day}T${time.slice(0, 5)}` : day;
}
