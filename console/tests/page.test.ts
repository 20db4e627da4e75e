// The pure parts of the page: places of rows, freshness, load, curve, numbers, dates, words, labels.
import { describe, expect, test } from "vitest";
import { curveOf } from "../src/curve";
import { freshness } from "../src/freshness";
import { BIN_MS, loadOf } from "../src/load";
import { place, textWidth } from "../src/map/labels";
import { groundOf, sceneOf } from "../src/map/scene";
import { dayText, sinceText, spanText } from "../src/moments";
import { quantityText, unitText } from "../src/quantities";
import { rateOf } from "../src/rate";
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
  const hub = { alive: true, beat_at: "2026-11-22T14:30:05Z", age_s: 0.8 };
  const status = { hub, alarms: {}, devices: 1, offline: 0, ledger_balance: 0, version: "0" };
  const heard = { since: 0, heardAt: 100_000, link: "live" as const, status, statusAt: 100_000 };
  test("live: the hub's age and what has passed since", () => {
    expect(freshness(heard, 101_000)).toEqual({ kind: "live", age: 1.8 });
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

test("load counts per ten minutes, exercises apart, the future not at all", () => {
  const now = 10 * BIN_MS;
  const bins = loadOf([{ at: now - 1, exercise: false }, { at: now - 2, exercise: true }, { at: now - BIN_MS - 1, exercise: false }, { at: now + 1, exercise: false }, { at: 0, exercise: false }], now, 2);
  expect(bins.map(({ real, exercise }) => [real, exercise])).toEqual([[1, 0], [1, 1]]);
});

test("the rate is the hub's own word, else what two beats tell", () => {
  const beat = (second: number, received: number) => ({ hub: { alive: true, age_s: 0, beat_at: new Date(second * 1000).toISOString(), received }, alarms: {}, devices: 0, offline: 0, ledger_balance: 0, version: "0" });
  expect(rateOf(null, beat(0, 5), null)).toBeNull();
  expect(rateOf(beat(0, 100), beat(2, 300), null)).toBe(100);
  expect(rateOf(beat(2, 300), beat(2, 300), 100)).toBe(100);
  expect(rateOf(beat(2, 300), beat(4, 10), 100)).toBeNull();
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
    const scene = sceneOf(ground, new Map([["1", alarmLike({ zone: "z", lon: null, lat: null })], ["2", alarmLike({ id: "2", zone: null, lon: null, lat: null })]]), ["1"], "1", { value: () => "42 cm", exercise: "Exercise" });
    expect(scene.marks).toMatchObject([{ id: "1", letter: "A", at: [1, 1], selected: true }]);
    expect([scene.alarmsWithoutPlace, scene.devicesWithoutPlace]).toEqual([1, 1]);
    expect(scene.zones[0]!.tint).toBe(3);
  });
  test("taken alarms and exercises tint nothing", () => {
    const ground = groundOf([], zones);
    const alarms = new Map([["1", alarmLike({ zone: "z", exercise: true })], ["2", alarmLike({ id: "2", zone: "z", acknowledged_at: "2026-11-22T14:10:00Z" })]]);
    expect(sceneOf(ground, alarms, [], null, { value: () => "", exercise: "Exercise" }).zones[0]!.tint).toBe(0);
  });
  test("labels find another side, or none", () => {
    const frame = { x: 0, y: 0, width: 300, height: 100 };
    const taken = [{ x: 150, y: 0, width: 150, height: 100 }];
    expect(place([140, 50], ["abc"], 10, frame, taken)?.anchor).toBe("end");
    expect(place([140, 50], ["a".repeat(200)], 10, frame, taken)).toBeNull();
    expect(textWidth("水位", 10)).toBe(20);
  });
});
