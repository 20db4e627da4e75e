// The form of a new device: what was typed so far, kept through reloads and lost networks, and what is wrong with it. Never a secret.
import type { Datum, DeviceWanted } from "./contract";

export interface Draft {
  code: string;
  profile: string;
  id: string;
  name: string;
  department: string;
  gateway: string;
  lon: string;
  lat: string;
  datum: Datum;
  /** Metres, as the phone said; null where the place was typed. */
  accuracy: number | null;
}

export type Fault = "id" | "profile" | "department" | "place";

export const EMPTY: Draft = { code: "", profile: "", id: "", name: "", department: "", gateway: "", lon: "", lat: "", datum: "WGS84", accuracy: null };

const ID = /^[a-z0-9][a-z0-9-]{0,63}$/;
const OURS = new Set(["hub", "alarm"]);

/** Degrees as typed; undefined where the box is empty, NaN where it is no number. */
function degrees(text: string): number | undefined {
  const plain = text.trim().replace(/[°\s]/g, "").replace("，", ".").replace(",", ".");
  return plain === "" ? undefined : /^[+-]?\d{1,3}(\.\d+)?$/.test(plain) ? Number(plain) : NaN;
}

export function faultsOf(draft: Draft): Set<Fault> {
  const faults = new Set<Fault>();
  if (!ID.test(draft.id) || OURS.has(draft.id)) faults.add("id");
  if (!draft.profile) faults.add("profile");
  if (!draft.department) faults.add("department");
  const [lon, lat] = [degrees(draft.lon), degrees(draft.lat)];
  const inside = (value: number | undefined, most: number) => value === undefined || Math.abs(value) <= most;
  if ((lon === undefined) !== (lat === undefined) || !inside(lon, 180) || !inside(lat, 90)) faults.add("place");
  return faults;
}

/** What is sent; call it when there is no fault. */
export function wantedOf(draft: Draft): DeviceWanted {
  return {
    id: draft.id,
    name: draft.name.trim() || null,
    profile: draft.profile,
    department: draft.department,
    gateway: draft.gateway || null,
    lon: degrees(draft.lon) ?? null,
    lat: degrees(draft.lat) ?? null,
    datum: draft.datum,
  };
}

/** A first id out of what the label says: `river-gauge` and `SN 0042` give `river-gauge-sn-0042`. */
export function suggestedId(profile: string, serial: string): string {
  const tail = serial.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  return tail === "" ? "" : `${profile}-${tail}`.slice(0, 64).replace(/-+$/, "");
}

/** One paste of `120.6, 31.3` fills both boxes. */
export function pairOf(text: string): [string, string] | null {
  const found = /^\s*([+-]?\d{1,3}\.\d+)\s*[,，;\s]\s*([+-]?\d{1,3}\.\d+)\s*$/.exec(text);
  return found ? [found[1]!, found[2]!] : null;
}

const KEPT = "cityhub.connect";

/** What this account had typed in this tab; nobody else's. */
export function kept<T extends object>(what: string, by: string, empty: T): T {
  try {
    const found = JSON.parse(sessionStorage.getItem(`${KEPT}.${what}`) ?? "null") as { by?: unknown; value?: Partial<T> } | null;
    return found?.by === by ? { ...empty, ...found.value } : empty;
  } catch {
    return empty;
  }
}

export function keep<T extends object>(what: string, by: string, value: T): void {
  try {
    sessionStorage.setItem(`${KEPT}.${what}`, JSON.stringify({ by, value }));
  } catch {
    // Storage may be forbidden or full: then it lasts as long as the page.
  }
}

export function forgetKept(what: string): void {
  try {
    sessionStorage.removeItem(`${KEPT}.${what}`);
  } catch {
    // As above.
  }
}
