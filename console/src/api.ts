// Speaks to the hub's REST interface: every answer is either the asked-for value or a thrown Refusal or Unreachable.
import type { Alarm, Bucket, Device, HubStatus, LoadSpan, Page, Session, ZoneCollection } from "./contract";

/** The hub answered, and said no (RFC 9457 problem details where it gave them). */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    readonly retryAfter: number | null = null,
  ) {
    super(`${status} ${detail}`);
  }
}

/** No answer at all: network down, hub stopped, or too slow. */
export class Unreachable extends Error {}

const ANSWER_WITHIN_MS = 15_000;
/** A picture over a weak link takes its time. */
const PICTURE_WITHIN_MS = 90_000;
const PAGE = 1000;
const MOST_PAGES = 200;

/** A body that is a Blob goes as it is, any other as JSON. */
export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const picture = body instanceof Blob ? body : null;
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(`/api/v1/${path}`, {
      method,
      credentials: "same-origin",
      cache: "no-store",
      headers: body === undefined ? {} : { "Content-Type": picture?.type ?? "application/json" },
      body: body === undefined ? null : (picture ?? JSON.stringify(body)),
      signal: AbortSignal.timeout(picture ? PICTURE_WITHIN_MS : ANSWER_WITHIN_MS),
    });
    text = await answer.text();
  } catch (error) {
    throw new Unreachable(String(error));
  }
  if (answer.ok) {
    if (answer.status === 204) return undefined as T;
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new Refusal(answer.status, "The answer is not JSON.");
    }
  }
  const wait = Number(answer.headers.get("Retry-After"));
  throw new Refusal(answer.status, problemDetail(text) || answer.statusText, wait > 0 ? wait : null);
}

function problemDetail(text: string): string {
  try {
    const problem = JSON.parse(text) as { detail?: unknown; title?: unknown };
    if (typeof problem.detail === "string") return problem.detail;
    return typeof problem.title === "string" ? problem.title : "";
  } catch {
    return "";
  }
}

export async function everyItem<T>(path: string): Promise<T[]> {
  const items: T[] = [];
  const joiner = path.includes("?") ? "&" : "?";
  let cursor = "";
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const answer = await ask<Page<T>>("GET", `${path}${joiner}limit=${PAGE}${cursor}`);
    items.push(...answer.items);
    if (!answer.next) return items;
    cursor = `&cursor=${encodeURIComponent(answer.next)}`;
  }
  throw new Refusal(200, `More than ${MOST_PAGES * PAGE} items in ${path}.`);
}

export const readSession = () => ask<Session>("GET", "session");
export const signIn = (name: string, password: string) => ask<Session>("POST", "session", { name, password });
export const signOut = () => ask<void>("DELETE", "session");

export const readOpenAlarms = () => everyItem<Alarm>("alarms?state=open");
export const acknowledge = (id: string) => ask<Alarm>("POST", `alarms/${encodeURIComponent(id)}/acknowledge`, {});
export const readAlarm = (id: string) => ask<Alarm>("GET", `alarms/${encodeURIComponent(id)}`);

export const readLoad = (hours: number) => ask<{ to: string; items: LoadSpan[] }>("GET", `alarms/load?hours=${hours}`);

export const readStatus = () => ask<HubStatus>("GET", "status");
export const readDevices = () => everyItem<Device>("devices");
export const readZones = () => ask<ZoneCollection>("GET", "zones");

export async function readHistory(series: number, from: Date, to: Date, bucketSeconds: number): Promise<Bucket[]> {
  const range = `from=${encodeURIComponent(from.toISOString())}&to=${encodeURIComponent(to.toISOString())}&bucket=${bucketSeconds}&limit=${PAGE}`;
  return (await ask<Page<Bucket>>("GET", `readings?series=${series}&${range}`)).items;
}
