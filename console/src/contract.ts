// What the hub's REST interface and live stream send: the shapes the console relies on, in the contract's own names.

/** 0 normal, 1 blue (IV), 2 yellow (III), 3 orange (II), 4 red (I); people are shown IV to I. */
export type Level = 0 | 1 | 2 | 3 | 4;

export interface Session {
  name: string;
  role: string;
  department: string | null;
}

/** A reading as it is now. */
export interface Value {
  value: number | null;
  time: string;
  /** 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing. */
  flag: number;
}

/** A standing alarm's newest reading as the stream tells it; the trend is null until there is one. */
export interface NewValue extends Value {
  trend: -1 | 0 | 1 | null;
}

/** A part of a reason: what it says, by a key, and its figures by name. */
export interface Clause {
  say: string;
  figures: Record<string, number | null>;
}

export interface Alarm {
  id: string;
  rule: string;
  /** The rule's, in the language of whoever wrote it. */
  title: string | null;
  level: Level;
  peak_level: Level;
  state: "standing" | "returned";
  acknowledged_at: string | null;
  acknowledged_by: string | null;
  device: string;
  device_name: string | null;
  department: string | null;
  /** The series that raised it. */
  series: number;
  metric: string | null;
  unit: string | null;
  zone: string | null;
  zone_name: string | null;
  /** At the last transition. */
  value: number | null;
  threshold: number | null;
  /** Null when it has returned. */
  now: Value | null;
  /** How often the series is to be measured. */
  interval_s: number | null;
  raised_at: string;
  changed_at: string;
  returned_at: string | null;
  exercise: boolean;
  lon: number | null;
  lat: number | null;
  trend: -1 | 0 | 1 | null;
  /** Why it stands, in words, where a limit alone does not say it. */
  reason: string | null;
  /** The same in clauses, where the hub knows them. */
  because?: Clause[] | null;
}

export interface Device {
  id: string;
  name: string | null;
  department: string | null;
  profile: string | null;
  lon: number | null;
  lat: number | null;
  zones: string[];
  level: Level;
  last_at: string | null;
}

export interface HubStatus {
  hub: {
    alive: boolean;
    beat_at: string | null;
    age_s: number | null;
    /** Of the newest reading by its own time: without sensors that send, older than the beat. */
    newest_age_s?: number | null;
    readings_per_s?: number;
    stored?: number;
    flagged?: number;
    queue?: number;
    late?: number;
    connected?: boolean;
  };
  alarms: Record<string, number>;
  devices: number;
  offline: number;
  ledger_balance: number;
  version: string;
}

/** Alarms raised in ten minutes from `time` on. */
export interface LoadSpan {
  time: string;
  raised: number;
  exercise: number;
}

export type Ring = [number, number][];

export interface ZoneFeature {
  type: "Feature";
  id: string;
  properties: { name: string | null; kind: string | null; level?: Level };
  geometry: { type: "Polygon"; coordinates: Ring[] } | { type: "MultiPolygon"; coordinates: Ring[][] };
}

export interface ZoneCollection {
  type: "FeatureCollection";
  features: ZoneFeature[];
}

/** One time bucket of a series. */
export interface Bucket {
  time: string;
  min: number | null;
  max: number | null;
  mean: number | null;
  count: number;
  /** The worst flag in it: 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing. */
  flag: number;
}

export interface Page<T> {
  items: T[];
  next?: string | null;
}
