// How old is what the page shows, and is anything wrong with the line or with the hub. No I/O.
import type { HubStatus } from "./contract";

export interface Heard {
  /** When the page began to listen, and when it last heard anything; local clock, ms. */
  since: number;
  heardAt: number | null;
  link: "connecting" | "live" | "lost";
  status: HubStatus | null;
  statusAt: number | null;
}

export type Freshness =
  | { kind: "starting" }
  /** Seconds since the hub's beat, and of the newest reading: silent sensors leave an old one under a young beat. */
  | { kind: "live"; age: number | null; newest: number | null; quiet: boolean }
  | { kind: "broken"; cause: "line" | "hub"; since: number | null };

/** Status comes every 2 s: three missed, and what is on the page is called old. A told loss is believed sooner. */
const SILENT_MS = 6_500;
const LOST_MS = 2_500;
/** Readings older than this are no longer called live, though the hub is. */
const QUIET_S = 15;

export function freshness(heard: Heard, now: number): Freshness {
  const silent = now - (heard.heardAt ?? heard.since);
  if (silent > SILENT_MS || (heard.link === "lost" && silent > LOST_MS)) {
    return { kind: "broken", cause: "line", since: heard.heardAt };
  }
  if (heard.heardAt === null) return { kind: "starting" };
  const { status, statusAt } = heard;
  if (status === null || statusAt === null) return { kind: "live", age: null, newest: null, quiet: false };
  if (!status.hub.alive) {
    return { kind: "broken", cause: "hub", since: status.hub.beat_at ? Date.parse(status.hub.beat_at) : null };
  }
  const since = Math.max(0, now - statusAt) / 1000;
  const grown = (seconds: number | null | undefined) => (seconds === null || seconds === undefined ? null : Math.max(0, seconds) + since);
  const newest = grown(status.hub.newest_age_s);
  return { kind: "live", age: grown(status.hub.age_s), newest, quiet: newest === null || newest > QUIET_S };
}
