// Turns a series' buckets into the line of a small picture: scale with the limit in it, gaps left open, doubtful values marked. No I/O.
import type { Bucket } from "./contract";

export interface Frame {
  width: number;
  height: number;
  /** Shown span, ms. */
  from: number;
  to: number;
  bucketMs: number;
}

export interface Curve {
  line: string;
  /** Between each bucket's least and greatest value. */
  band: string;
  doubtful: { x: number; y: number }[];
  last: { x: number; y: number; value: number } | null;
  limitY: number | null;
  low: number;
  high: number;
}

const SUSPECT = 3;
const GAP_BUCKETS = 3;

export function curveOf(buckets: readonly Bucket[], limit: number | null, frame: Frame): Curve | null {
  const points = buckets
    .filter((bucket) => bucket.mean !== null && Date.parse(bucket.time) >= frame.from)
    .map((bucket) => ({ at: Date.parse(bucket.time), mean: bucket.mean as number, min: bucket.min ?? (bucket.mean as number), max: bucket.max ?? (bucket.mean as number), flag: bucket.flag }));
  if (points.length === 0) return null;
  let low = Math.min(limit ?? Infinity, ...points.map((point) => point.min));
  let high = Math.max(limit ?? -Infinity, ...points.map((point) => point.max));
  const room = (high - low || Math.abs(high) || 1) * 0.1;
  low -= room;
  high += room;
  const x = (at: number) => tenth(((at - frame.from) / (frame.to - frame.from)) * frame.width);
  const y = (value: number) => tenth(frame.height - ((value - low) / (high - low)) * frame.height);

  const runs: (typeof points)[] = [];
  for (const point of points) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    if (run && before && point.at - before.at <= GAP_BUCKETS * frame.bucketMs) run.push(point);
    else runs.push([point]);
  }
  const through = (run: typeof points, pick: "mean" | "min" | "max") => run.map((point) => `${x(point.at)} ${y(point[pick])}`);
  const last = points.at(-1)!;
  return {
    line: runs.map((run) => (run.length === 1 ? `M${through(run, "mean")[0]}h.1` : `M${through(run, "mean").join("L")}`)).join(""),
    band: runs.filter((run) => run.length > 1).map((run) => `M${[...through(run, "max"), ...through(run, "min").reverse()].join("L")}Z`).join(""),
    doubtful: points.filter((point) => point.flag >= SUSPECT).map((point) => ({ x: x(point.at), y: y(point.mean) })),
    last: { x: x(last.at), y: y(last.mean), value: last.mean },
    limitY: limit === null ? null : y(limit),
    low,
    high,
  };
}

const tenth = (n: number): number => Math.round(n * 10) / 10;
