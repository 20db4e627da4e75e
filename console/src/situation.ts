// The situation: what the page knows now, and the few things that change it (stream, reloads, a person's acts).
import * as api from "./api";
import { isOpen, withNews, type AlarmTable } from "./alarms";
import type { Alarm, Device, HubStatus, LoadSpan, NewValue, Session, ZoneCollection } from "./contract";
import type { Values } from "./current";
import { createStore } from "./store";
import { listen } from "./stream";

/** What went wrong, by what the page was doing; shown until the same thing succeeds or the person closes it. */
export type Doing = "alarms" | "map" | "load" | "stream" | "signout" | `acknowledge:${string}`;

export interface Situation {
  session: Session | "asking" | null;
  alarms: AlarmTable;
  alarmsLoaded: boolean;
  /** Newest readings of standing alarms, apart from the alarms: news of a value moves no row. */
  values: Values;
  /** Alarms raised per ten minutes, the newest last. */
  load: readonly LoadSpan[];
  link: "connecting" | "live" | "lost";
  since: number;
  heardAt: number | null;
  status: HubStatus | null;
  statusAt: number | null;
  /** How far the hub's clock is ahead of this machine's, ms. */
  hubAhead: number;
  devices: readonly Device[];
  zones: ZoneCollection;
  troubles: ReadonlyMap<Doing, unknown>;
  /** Acknowledgements on their way. */
  sending: ReadonlySet<string>;
  /** The newest alarms since the page was loaded, for the spoken announcement. */
  arrived: readonly Alarm[];
}

const NOTHING: Situation = {
  session: "asking",
  alarms: new Map(),
  alarmsLoaded: false,
  values: new Map(),
  load: [],
  link: "connecting",
  since: Date.now(),
  heardAt: null,
  status: null,
  statusAt: null,
  hubAhead: 0,
  devices: [],
  zones: { type: "FeatureCollection", features: [] },
  troubles: new Map(),
  sending: new Set(),
  arrived: [],
};

export const situation = createStore<Situation>(NOTHING);
const { get, patch } = situation;

export const LOAD_HOURS = 4;
const PLACES_EVERY_MS = 60_000;
const LOAD_EVERY_MS = 30_000;
const LOAD_AFTER_NEWS_MS = 3_000;

/** Runs one thing and keeps its trouble for the page to show; a lost session leads back to the sign-in page. */
async function doing(what: Doing, act: () => Promise<void>): Promise<void> {
  try {
    await act();
    forget(what);
  } catch (error) {
    if (error instanceof api.Refusal && error.status === 401) return leave();
    patch({ troubles: new Map(get().troubles).set(what, error) });
  }
}

export function forget(what: Doing): void {
  if (!get().troubles.has(what)) return;
  const troubles = new Map(get().troubles);
  troubles.delete(what);
  patch({ troubles });
}

// --- who is here -------------------------------------------------------------------------------------------------

let stopListening: (() => void) | null = null;
let timers: ReturnType<typeof setInterval>[] = [];
let loadSoon: ReturnType<typeof setTimeout> | undefined;

export async function start(): Promise<void> {
  try {
    enter(await api.readSession());
  } catch (error) {
    const refused = error instanceof api.Refusal && error.status === 401;
    patch({ session: null, troubles: refused ? new Map() : new Map([["stream" as Doing, error]]) });
  }
}

export function enter(session: Session): void {
  patch({ ...NOTHING, session, since: Date.now() });
  stopListening?.();
  stopListening = listen({ connected, heard, alarm: heardAlarm, status: heardStatus, values: heardValues, lost, garbled });
  stopTimers();
  timers = [setInterval(loadPlaces, PLACES_EVERY_MS), setInterval(loadLoad, LOAD_EVERY_MS)];
}

/** The session is over: back to the sign-in page. */
export function leave(): void {
  stopListening?.();
  stopListening = null;
  stopTimers();
  patch({ ...NOTHING, session: null });
}

function stopTimers(): void {
  timers.forEach(clearInterval);
  clearTimeout(loadSoon);
  loadSoon = undefined;
}

export const signOut = () =>
  doing("signout", async () => {
    await api.signOut();
    leave();
  });

// --- the stream --------------------------------------------------------------------------------------------------

/** News that came while the list was being loaded; laid over it when it arrives. */
let meanwhile: Alarm[] | null = null;

function connected(): void {
  patch({ link: "live" });
  void loadAlarms();
  void loadPlaces();
  void loadLoad();
}

function heard(): void {
  const now = Date.now();
  if (now - (get().heardAt ?? 0) >= 500 || get().link !== "live") patch({ heardAt: now, link: "live" });
}

function heardStatus(status: HubStatus): void {
  const { beat_at, age_s } = status.hub;
  const hubAhead = beat_at === null || age_s === null ? get().hubAhead : Date.parse(beat_at) + age_s * 1000 - Date.now();
  patch({ status, statusAt: Date.now(), hubAhead });
  forget("stream");
}

function heardValues(values: Record<string, NewValue>): void {
  patch({ values: new Map(Object.entries(values)) });
}

function heardAlarm(alarm: Alarm): void {
  meanwhile?.push(alarm);
  takeIn(alarm);
}

function garbled(what: string): void {
  patch({ troubles: new Map(get().troubles).set("stream", new api.Refusal(200, `stream: ${what}`)) });
}

function lost(): void {
  patch({ link: "lost" });
  // The stream cannot say why it ended; an ended session would otherwise look like a broken line for ever.
  api.readSession().then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof api.Refusal && error.status === 401 && get().link === "lost") leave();
    },
  );
}

function takeIn(alarm: Alarm): void {
  const { alarms, alarmsLoaded } = get();
  const table = withNews(alarms, alarm);
  if (table === alarms) return;
  const change: Partial<Situation> = { alarms: table };
  const known = alarms.get(alarm.id);
  // A new alarm is in the bars soon; of a flood all that came meanwhile.
  if (known === undefined) loadSoon ??= setTimeout(loadLoad, LOAD_AFTER_NEWS_MS);
  const worse = known !== undefined && alarm.level > known.level;
  if (alarmsLoaded && isOpen(alarm) && (known === undefined || worse)) change.arrived = [alarm];
  patch(change);
  if (alarm.acknowledged_at !== null) forget(`acknowledge:${alarm.id}`);
}

// --- loading -----------------------------------------------------------------------------------------------------

export const loadAlarms = () =>
  doing("alarms", async () => {
    meanwhile = [];
    try {
      const open = await api.readOpenAlarms();
      let table: AlarmTable = new Map(open.map((alarm) => [alarm.id, alarm]));
      for (const alarm of meanwhile) table = withNews(table, alarm);
      patch({ alarms: table, alarmsLoaded: true });
    } finally {
      meanwhile = null;
    }
  });

export const loadPlaces = () =>
  doing("map", async () => {
    const [devices, zones] = await Promise.all([api.readDevices(), api.readZones()]);
    patch({ devices, zones });
  });

function loadLoad(): Promise<void> {
  clearTimeout(loadSoon);
  loadSoon = undefined;
  return doing("load", async () => patch({ load: (await api.readLoad(LOAD_HOURS)).items }));
}

// --- acts --------------------------------------------------------------------------------------------------------

export async function acknowledge(id: string): Promise<void> {
  if (get().sending.has(id)) return;
  patch({ sending: new Set(get().sending).add(id) });
  await doing(`acknowledge:${id}`, async () => {
    try {
      takeIn(await api.acknowledge(id));
    } catch (error) {
      // Somebody was faster: show who, and say so.
      if (error instanceof api.Refusal && error.status === 409) takeIn(await api.readAlarm(id));
      throw error;
    }
  });
  const sending = new Set(get().sending);
  sending.delete(id);
  patch({ sending });
}
