// The pure parts of the page: places of rows, freshness, load, curve, numbers, dates, words, labels.
import { describe, expect, test } from "vitest";
import { deviceOf, titleOf } from "../src/alarms";
import { currentOf } from "../src/current";
import { curveOf } from "../src/curve";
import { freshness } from "../src/freshness";
import { loadOf } from "../src/load";
import { folded, place, textWidth } from "../src/map/labels";
import { groundOf, sceneOf } from "../src/map/scene";
import { agoText, dayText, sinceText, spanText } from "../src/moments";
import { quantityText, unitText } from "../src/quantities";
import { seat } from "../src/seats";
import { en } from "../src/words/en";
import { zh } from "../src/words/zh";
import { alarmLike } from "./alarmLike";

describe("seats", () => {
  test("while held, new rows go last and closed rows stay", () => {
    expect(seat(["b", "c"], ["a", "c"], true)).toEqual(["b", "c", "a"]);
  });
  test("released, the wanted order is taken, and the same order is the same array", () => {
    expect(seat(["b", "c"], ["a", "c"], false)).toEqual(["a", "c"]);
    const before = ["a", "c"];
    expect(seat(before, ["a", "c"], false)).toBe(before);
  });
});

describe("freshness", () => {
  const hub = { alive: true, beat_at: "2026-11-22T14:30:05Z", age_s: 0.8, newest_age_s: 2.5 };
  const status = { hub, alarms: {}, devices: 1, offline: 0, ledger_balance: 0, version: "0" };
  const heard = { since: 0, heardAt: 100_000, link: "live" as const, status, statusAt: 100_000 };
  test("live: the hub's age and what has passed since", () => {
    expect(freshness(heard, 101_000)).toEqual({ kind: "live", age: 1.8, newest: 3.5, quiet: false });
  });
  test("silent sensors under a living hub are told apart from it", () => {
    const silent = (newest_age_s: number | null) => freshness({ ...heard, status: { ...status, hub: { ...hub, newest_age_s } } }, 101_000);
    expect(silent(300)).toEqual({ kind: "live", age: 1.8, newest: 301, quiet: true });
    expect(silent(null)).toEqual({ kind: "live", age: 1.8, newest: null, quiet: true });
    // A sensor whose clock is ahead.
    expect(silent(-5)).toMatchObject({ newest: 1, quiet: false });
  });
  test("a silent line is broken since the last word", () => {
    expect(freshness(heard, 107_000)).toEqual({ kind: "broken", cause: "line", since: 100_000 });
  });
  test("a told loss is believed sooner, a blink is not", () => {
    expect(freshness({ ...heard, link: "lost" }, 101_000).kind).toBe("live");
    expect(freshness({ ...heard, link: "lost" }, 103_000).kind).toBe("broken");
  });
  test("a live line to a dead hub is broken too", () => {
    const dead = { ...status, hub: { ...hub, alive: false } };
    expect(freshness({ ...heard, status: dead }, 101_000)).toEqual({ kind: "broken", cause: "hub", since: Date.parse(hub.beat_at) });
  });
});

test("the load is the newest span's, its peak counts no exercise, and before the answer there is none", () => {
  const span = (minute: number, raised: number, exercise: number) => ({ time: new Date(minute * 60_000).toISOString(), raised, exercise });
  expect(loadOf([span(0, 3, 0), span(10, 1, 9)])).toEqual({ current: span(10, 1, 9), peak: 3 });
  expect(loadOf([])).toBeNull();
});

describe("current values", () => {
  const at = Date.parse("2026-11-22T14:00:00Z");
  const value = (second: number, value: number | null, flag = 1) => ({ value, time: new Date(at + second * 1000).toISOString(), flag });
  const heard = (second: number, number: number, trend: -1 | 0 | 1 | null = null) => new Map([["1", { ...value(second, number), trend }]]);
  test("the newer of the list and the stream is shown, with the trend that came with it", () => {
    const alarm = alarmLike({ now: value(10, 40), trend: 1 });
    expect(currentOf(alarm, new Map(), at + 11_000)).toMatchObject({ value: 40, trend: 1, old: false });
    expect(currentOf(alarm, heard(12, 41, -1), at + 13_000)).toMatchObject({ value: 41, trend: -1 });
    expect(currentOf(alarm, heard(12, 41), at + 13_000)).toMatchObject({ value: 41, trend: 1 });
    expect(currentOf(alarm, heard(8, 39, -1), at + 13_000)).toMatchObject({ value: 40, trend: 1 });
  });
  test("old is older than three intervals or a minute, whichever is more; a recording is never", () => {
    const old = (interval_s: number | null, age: number, exercise = false) =>
      currentOf(alarmLike({ now: value(0, 1), interval_s, exercise }), new Map(), at + age * 1000).old;
    expect([old(10, 60), old(10, 61), old(null, 61), old(300, 900), old(300, 901), old(10, 9999, true)]).toEqual([false, true, true, false, true, false]);
  });
  test("an alarm that is over shows what ended it, and is not old", () => {
    const over = alarmLike({ state: "returned", value: 12, now: null });
    expect(currentOf(over, heard(12, 99), at + 9_999_000)).toMatchObject({ value: 12, old: false });
  });
  test("what a check refused says so", () => {
    expect([1, 2, 3, 4, 9].map((flag) => currentOf(alarmLike({ now: value(0, 1, flag) }), new Map(), at).doubt)).toEqual([null, null, "suspect", "failed", "missing"]);
  });
});

test("an alarm is called by its rule's title, else by what it measures", () => {
  expect(titleOf(alarmLike({ title: "Crowd density" }), zh)).toBe("人群密度");
  expect(titleOf(alarmLike({ title: "Own rule" }), zh)).toBe("Own rule");
  expect(titleOf(alarmLike({ title: null }), en)).toBe("water depth");
  expect(titleOf(alarmLike({ title: null, metric: null }), en)).toBe("depth-high");
  expect(deviceOf(alarmLike({ device_name: " " }))).toBe("gauge-1");
});

describe("curve", () => {
  const frame = { width: 100, height: 100, from: 0, to: 100_000, bucketMs: 10_000 };
  const bucket = (at: number, mean: number, flag = 1) => ({ time: new Date(at).toISOString(), min: mean, max: mean, mean, count: 1, flag });
  test("a gap is not drawn over, and the limit is inside the picture", () => {
    const curve = curveOf([bucket(0, 1), bucket(10_000, 2), bucket(60_000, 2, 3), bucket(70_000, 3)], 5, frame)!;
    expect(curve.line.match(/M/g)).toHaveLength(2);
    expect(curve.limitY).toBeGreaterThan(0);
    expect(curve.limitY).toBeLessThan(100);
    expect(curve.doubtful).toHaveLength(1);
    expect(curve.last).toMatchObject({ x: 70, value: 3 });
  });
  test("no values, no curve; a flat line has a height", () => {
    expect(curveOf([], 5, frame)).toBeNull();
    expect(curveOf([bucket(0, 0)], null, frame)!.high).toBeGreaterThan(0);
  });
});

test("quantities carry their unit as people write it", () => {
  expect(quantityText(42, "cm", "en")).toBe("42 cm");
  expect(quantityText(18, "deg", "zh")).toBe("18°");
  expect(quantityText(4.1, "{person}/m2", "zh")).toBe("4.1 人/m²");
  expect(quantityText(4.1, "{person}/m2", "en")).toBe("4.1 people/m²");
  expect(quantityText(12345.6, null, "en")).toBe("12,346");
  expect(quantityText(null, "cm", "en")).toBe("–");
  expect(["m3/s", "Cel", "ug/m3", "mm/h", "[ft_i]", "W.h"].map((unit) => unitText(unit, "en"))).toEqual(["m³/s", "°C", "µg/m³", "mm/h", "ft", "W·h"]);
});

test("dates and spans", () => {
  const at = new Date(2026, 10, 22, 14, 5).getTime();
  expect(dayText(at, "zh")).toBe("11月22日");
  expect(dayText(at, "en")).toBe("22 Nov");
  expect(sinceText(at, at + 60_000, "en")).toBe("14:05");
  expect(sinceText(at, new Date(2027, 0, 1).getTime(), "zh")).toBe("2026年11月22日 14:05");
  expect([1_900, 119_000, 120_000, 7_200_000, 172_800_000].map((ms) => agoText(ms, "en"))).toEqual(["1 s", "119 s", "2 min", "2 h", "2 d"]);
  expect([132_000, 3_905_000, 100 * 3_600_000].map((ms) => spanText(ms, "en"))).toEqual(["2:12", "1:05:05", "4 d 4 h"]);
});

test("both dictionaries have the same entries, none empty, and count properly", () => {
  const shape = (book: object): string[] => Object.entries(book).flatMap(([key, value]) => (typeof value === "object" ? shape(value as object).map((rest) => `${key}.${rest}`) : `${key}:${typeof value}`));
  expect(shape(zh)).toEqual(shape(en));
  expect(JSON.stringify([en, zh])).not.toContain('""');
  expect([en.exerciseCount(1), en.exerciseCount(2)]).toEqual(["1 exercise", "2 exercises"]);
});

describe("map", () => {
  const square = { type: "Feature" as const, id: "z", properties: { name: "Z", kind: "street" }, geometry: { type: "Polygon" as const, coordinates: [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]] as [number, number][]] } };
  const zones = { type: "FeatureCollection" as const, features: [square] };
  const device = { id: "gauge-1", name: null, department: null, profile: null, lon: null, lat: null, zones: ["z"], level: 0 as const, last_at: null };
  test("an alarm without a place stands in its zone; without either it is counted", () => {
    const ground = groundOf([device], zones);
    const scene = sceneOf(ground, new Map([["1", alarmLike({ zone: "z", lon: null, lat: null })], ["2", alarmLike({ id: "2", zone: null, lon: null, lat: null })]]), ["1"], "1", { title: () => "Water", value: () => "42 cm", exercise: "Exercise" });
    expect(scene.marks).toMatchObject([{ id: "1", letter: "A", at: [1, 1], selected: true }]);
    expect([scene.alarmsWithoutPlace, scene.devicesWithoutPlace]).toEqual([1, 1]);
    expect(scene.zones[0]!.tint).toBe(3);
  });
  test("zones are compared by size, so that the small ones' names give way", () => {
    expect(groundOf([], zones).zones[0]!.size).toBeCloseTo(8);
  });
  test("the ground that a camera sees is no zone of the map", () => {
    const view = { ...square, id: "v", properties: { name: "View", kind: "camera-view" } };
    expect(groundOf([], { ...zones, features: [square, view] }).zones.map((zone) => zone.id)).toEqual(["z"]);
  });
  test("taken alarms and exercises tint nothing", () => {
    const ground = groundOf([], zones);
    const alarms = new Map([["1", alarmLike({ zone: "z", exercise: true })], ["2", alarmLike({ id: "2", zone: "z", acknowledged_at: "2026-11-22T14:10:00Z" })]]);
    expect(sceneOf(ground, alarms, [], null, { title: () => "", value: () => "", exercise: "Exercise" }).zones[0]!.tint).toBe(0);
  });
  test("labels find another side, or none", () => {
    const frame = { x: 0, y: 0, width: 300, height: 100 };
    const taken = [{ x: 150, y: 0, width: 150, height: 100 }];
    expect(place([140, 50], ["abc"], 10, frame, taken)?.anchor).toBe("end");
    expect(place([140, 50], ["a".repeat(200)], 10, frame, taken)).toBeNull();
    expect(textWidth("水位", 10)).toBe(20);
    expect(folded("Manhole cover open", 7)).toBe("Manhole\ncover open");
    expect([folded("", 7), folded("a".repeat(40), 7), folded("井盖 开启", 7)]).toEqual(["", "a".repeat(40), "井盖 开启"]);
  });
});

describe("what is shipped has a Chinese name", () => {
  const rules = Object.values(import.meta.glob<string>("../../alerts/rules/*.yaml", { query: "?raw", import: "default", eager: true }));
  const profiles = Object.values(import.meta.glob<string>("../../ingest/profiles/*.yaml", { query: "?raw", import: "default", eager: true }));
  // Signs that Chinese engineers write in Latin letters, too.
  const signs = /\b(COD|PM2\.5|PM10|pH|RSSI|IC|[ABCXYZ]|cm)\b/g;
  test("the title of every rule", () => {
    const titles = rules.map((text) => /^title: (.+)$/m.exec(text)![1]!);
    expect(titles.length).toBeGreaterThan(10);
    expect(titles.filter((title) => /[a-z]/.test(zh.title(title).replaceAll("Sparkplug", "")))).toEqual([]);
  });
  test("every metric of a profile, and of a rule", () => {
    const metrics = [...rules.flatMap((text) => /metric: ([\w-]+)/.exec(text)?.slice(1) ?? []), ...profiles.flatMap((text) => [...text.matchAll(/^ {2}([a-z][a-z0-9-]*):$/gm)].map((found) => found[1]!))];
    expect(metrics.length).toBeGreaterThan(300);
    expect([...new Set(metrics)].filter((key) => /[A-Za-z]/.test(zh.metric(key).replaceAll(signs, "")))).toEqual([]);
  });
});
