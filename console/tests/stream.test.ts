// The live stream: it reconnects with growing pauses, notices silence, and reports garbled events instead of dying of them.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { listen, SILENCE_MS } from "../src/stream";

class FakeSource extends EventTarget {
  static all: FakeSource[] = [];
  closed = false;
  constructor() {
    super();
    FakeSource.all.push(this);
  }
  close() {
    this.closed = true;
  }
  say(type: string, data = "{}") {
    this.dispatchEvent(new MessageEvent(type, { data }));
  }
}

const ears = () => ({ connected: vi.fn(), heard: vi.fn(), alarm: vi.fn(), status: vi.fn(), values: vi.fn(), lost: vi.fn(), garbled: vi.fn() });
const newest = () => FakeSource.all.at(-1)!;

beforeEach(() => {
  vi.useFakeTimers();
  FakeSource.all = [];
});
afterEach(() => vi.useRealTimers());

test("hello means: load anew; each reconnection says it again", () => {
  const mine = ears();
  listen(mine, () => new FakeSource());
  newest().say("hello");
  newest().dispatchEvent(new Event("error"));
  expect(mine.lost).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1_000);
  newest().say("hello");
  expect(FakeSource.all).toHaveLength(2);
  expect(mine.connected).toHaveBeenCalledTimes(2);
});

test("pauses grow while it fails and start small again after a hello", () => {
  listen(ears(), () => new FakeSource());
  for (const pause of [1_000, 2_000, 4_000]) {
    const before = FakeSource.all.length;
    newest().dispatchEvent(new Event("error"));
    vi.advanceTimersByTime(pause - 1);
    expect(FakeSource.all).toHaveLength(before);
    vi.advanceTimersByTime(1);
    expect(FakeSource.all).toHaveLength(before + 1);
  }
  newest().say("hello");
  newest().dispatchEvent(new Event("error"));
  vi.advanceTimersByTime(1_000);
  expect(FakeSource.all).toHaveLength(5);
});

test("silence is a loss, and the old source is closed and no longer heard", () => {
  const mine = ears();
  listen(mine, () => new FakeSource());
  const first = newest();
  first.say("hello");
  vi.advanceTimersByTime(SILENCE_MS);
  expect(mine.lost).toHaveBeenCalledTimes(1);
  expect(first.closed).toBe(true);
  first.say("alarm", '{"id":"1"}');
  expect(mine.alarm).not.toHaveBeenCalled();
});

test("a garbled event is reported and the next one is heard", () => {
  const mine = ears();
  const stop = listen(mine, () => new FakeSource());
  newest().say("alarm", "{");
  newest().say("alarm", '{"id":"7"}');
  newest().say("values", '{"7":{"value":1,"time":"2026-11-22T14:00:00Z","flag":1,"trend":null}}');
  expect(mine.garbled).toHaveBeenCalledWith("alarm");
  expect(mine.alarm).toHaveBeenCalledWith({ id: "7" });
  expect(mine.values).toHaveBeenCalledWith({ "7": { value: 1, time: "2026-11-22T14:00:00Z", flag: 1, trend: null } });
  stop();
  vi.advanceTimersByTime(60_000);
  expect(FakeSource.all).toHaveLength(1);
});
