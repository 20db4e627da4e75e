// Listens to the hub's live stream (server-sent events): notices silence, reconnects with growing pauses, tells when it is back.
import type { Alarm, HubStatus, NewValue } from "./contract";

export interface StreamEars {
  /** Connected, or connected again: everything known may be old, load it anew. */
  connected(): void;
  /** Anything at all was heard. */
  heard(): void;
  alarm(alarm: Alarm): void;
  status(status: HubStatus): void;
  /** What the standing alarms measure now, by alarm: all of them each time. */
  values(values: Record<string, NewValue>): void;
  lost(): void;
  /** The hub sent something that is not what the contract says. */
  garbled(what: string): void;
}

/** The hub sends its status every 2 s, so this much silence means that the line is dead although it looks open. */
export const SILENCE_MS = 10_000;
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000];

type Source = EventTarget & { close(): void };

export function listen(ears: StreamEars, open: () => Source = () => new EventSource("/api/v1/stream")): () => void {
  let source: Source | null = null;
  let failures = 0;
  let stopped = false;
  let watchdog: ReturnType<typeof setTimeout> | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;

  function connect(): void {
    const mine = open();
    source = mine;
    expectSomething();
    on(mine, "open", () => undefined);
    on(mine, "hello", () => {
      failures = 0;
      ears.connected();
    });
    on(mine, "alarm", (event) => parsed<Alarm>(event, "alarm", ears.alarm));
    on(mine, "status", (event) => parsed<HubStatus>(event, "status", ears.status));
    on(mine, "values", (event) => parsed<Record<string, NewValue>>(event, "values", ears.values));
    mine.addEventListener("error", () => {
      if (mine === source) fail();
    });
  }

  function on(mine: Source, type: string, act: (event: Event) => void): void {
    mine.addEventListener(type, (event) => {
      if (mine !== source) return;
      expectSomething();
      ears.heard();
      act(event);
    });
  }

  function parsed<T>(event: Event, type: string, act: (value: T) => void): void {
    let value: T;
    try {
      value = JSON.parse((event as MessageEvent<string>).data) as T;
    } catch {
      ears.garbled(type);
      return;
    }
    act(value);
  }

  function expectSomething(): void {
    clearTimeout(watchdog);
    watchdog = setTimeout(fail, SILENCE_MS);
  }

  function fail(): void {
    source?.close();
    source = null;
    clearTimeout(watchdog);
    if (stopped) return;
    ears.lost();
    const pause = PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)];
    failures += 1;
    clearTimeout(retry);
    retry = setTimeout(connect, pause);
  }

  connect();
  return () => {
    stopped = true;
    clearTimeout(retry);
    clearTimeout(watchdog);
    source?.close();
    source = null;
  };
}
