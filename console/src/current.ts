// What the series of an alarm measures now, as told by the list or, newer, by the stream, and whether that is old. No I/O.
import type { Alarm, NewValue } from "./contract";

export type Values = ReadonlyMap<string, NewValue>;

export interface Current {
  value: number | null;
  trend: Alarm["trend"];
  /** Of the reading, the hub's clock, ms. */
  at: number;
  /** No news for longer than the sensor may be silent. */
  old: boolean;
  /** What a check said of it. */
  doubt: "suspect" | "failed" | "missing" | null;
}

const SILENT_INTERVALS = 3;
const SILENT_MS = 60_000;
const DOUBTS: Record<number, Current["doubt"]> = { 3: "suspect", 4: "failed", 9: "missing" };

/** `now` by the hub's clock. An alarm that is over shows the value that ended it. */
export function currentOf(alarm: Alarm, values: Values, now: number): Current {
  const heard = alarm.state === "standing" ? values.get(alarm.id) : undefined;
  const listed = alarm.now;
  const newer = heard && (!listed || Date.parse(heard.time) >= Date.parse(listed.time)) ? heard : listed;
  const { value, time, flag } = newer ?? { value: alarm.value, time: alarm.changed_at, flag: 1 };
  const at = Date.parse(time);
  const patience = Math.max(SILENT_MS, SILENT_INTERVALS * 1000 * (alarm.interval_s ?? 0));
  // A recording keeps its own time.
  const old = alarm.state === "standing" && !alarm.exercise && now - at > patience;
  return { value, trend: (newer === heard ? heard?.trend : null) ?? alarm.trend, at, old, doubt: DOUBTS[flag] ?? null };
}
