// How many alarms were raised per ten minutes: what people have to bear, against what people can bear. No I/O.

export const BIN_MS = 600_000;
/** EEMUA 191: a person can deal with one alarm in ten minutes, steadily. The hub does not tell yet how many seats are manned. */
export const TARGET = 1;

export interface Bin {
  from: number;
  real: number;
  exercise: number;
}

/** The last `count` spans of ten minutes, the newest last; it ends now. */
export function loadOf(raised: Iterable<{ at: number; exercise: boolean }>, now: number, count: number): Bin[] {
  const start = now - count * BIN_MS;
  const bins: Bin[] = Array.from({ length: count }, (_, index) => ({ from: start + index * BIN_MS, real: 0, exercise: 0 }));
  for (const { at, exercise } of raised) {
    const bin = at <= now ? bins[Math.floor((at - start) / BIN_MS)] : undefined;
    if (!bin) continue;
    if (exercise) bin.exercise += 1;
    else bin.real += 1;
  }
  return bins;
}
