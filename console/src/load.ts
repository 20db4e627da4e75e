// How many alarms were raised per ten minutes: what people have to bear, against what people can bear. No I/O.
import type { LoadSpan } from "./contract";

/** EEMUA 191: a person can deal with one alarm in ten minutes, steadily. The hub does not tell yet how many seats are manned. */
export const TARGET = 1;

/** The newest span, and the most real alarms of any: exercises are no load. */
export function loadOf(spans: readonly LoadSpan[]): { current: LoadSpan; peak: number } | null {
  const current = spans.at(-1);
  return current ? { current, peak: Math.max(...spans.map((span) => span.raised)) } : null;
}
