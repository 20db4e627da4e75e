// Readings per second: as the hub says, else from two of its beats. No I/O.
import type { HubStatus } from "./contract";

/** Null when it cannot be told yet; the rate of before when this is the same beat again. */
export function rateOf(before: HubStatus | null, after: HubStatus, known: number | null): number | null {
  if (after.hub.readings_per_s !== undefined) return after.hub.readings_per_s;
  if (!before?.hub.beat_at || !after.hub.beat_at || before.hub.received === undefined || after.hub.received === undefined) return known;
  const seconds = (Date.parse(after.hub.beat_at) - Date.parse(before.hub.beat_at)) / 1000;
  if (seconds <= 0) return known;
  const readings = after.hub.received - before.hub.received;
  // A hub that started again counts from nothing.
  return readings < 0 ? null : readings / seconds;
}
