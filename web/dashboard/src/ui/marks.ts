// Annotations, and which point of a chart each is at.
import type { Annotation } from '../api.ts';
import { bucket, localLabel, when } from '../format.ts';

export type { Annotation };
export interface Mark { label: string; text: string } // label: of the point
const isDay = (at: string): boolean => at.length <= 10;
export const atText = (at: string, zone: string): string => (isDay(at) ? bucket(at, true) : when(at, zone));
/** Labels are the beginnings of their pieces of time, in order, as local time, up to the instant `end`; a day is of whatever zone they are of. */
export function marksOf(annotations: readonly Annotation[], labels: readonly string[], end: string, zone: string): Mark[] {
  const begins = labels.map((l) => (isDay(l) ? `${l}T00:00` : l.slice(0, 16)));
  return annotations.flatMap((a) => {
    const at = isDay(a.at) ? `${a.at}T00:00` : localLabel(new Date(a.at), zone, true), i = begins.findLastIndex((b) => b <= at), label = labels[i];
    return label === undefined || at >= localLabel(new Date(end), zone, true) ? [] : [{ label, text: a.text }];
  });
}
