// Order, state and merging of alarms: what comes first, who has it, and that old news changes nothing.
import { describe, expect, test } from "vitest";
import { byUrgency, countByLevel, digitOf, holdOf, isOpen, letterOf, openInOrder, reasonOf, shownLevel, withNews } from "../src/alarms";
import { en } from "../src/words/en";
import { zh } from "../src/words/zh";
import { alarmLike } from "./alarmLike";

const table = (...alarms: ReturnType<typeof alarmLike>[]) => new Map(alarms.map((alarm) => [alarm.id, alarm]));

describe("what an alarm means", () => {
  test("filled, outline, dashed, gone", () => {
    expect(holdOf(alarmLike({}))).toBe("untaken");
    expect(holdOf(alarmLike({ acknowledged_at: "2026-11-22T14:00:00Z" }))).toBe("taken");
    expect(holdOf(alarmLike({ state: "returned" }))).toBe("over");
    expect(holdOf(alarmLike({ state: "returned", acknowledged_at: "2026-11-22T14:00:00Z" }))).toBe("closed");
  });
  test("the worst level is shown as 1, and a returned alarm as bad as it was", () => {
    expect(digitOf(4)).toBe(1);
    expect(digitOf(1)).toBe(4);
    expect(shownLevel(alarmLike({ state: "returned", level: 0, peak_level: 3 }))).toBe(3);
  });
  test("a reason does not say the name twice", () => {
    expect(reasonOf(alarmLike({}), zh)).toBe("");
    const alarm = alarmLike({
      device_name: "The square", reason: "The square: full in about 9 min, 820 of 1,000 people, 20 more a minute",
      because: [{ say: "full-soon", figures: { minutes: 9.2, earliest: 7, latest: 14 } }, { say: "people", figures: { n: 820, of: 1000 } }, { say: "pace", figures: { change: 20 } }],
    });
    expect(reasonOf(alarm, en)).toBe("full in about 9 min, 820 of 1,000 people, 20 more a minute");
    expect(reasonOf(alarm, zh)).toBe("约 9 分钟后满员（7 至 14），820 人，容量 1,000 人，每分钟增加 20 人");
    const unknown = { ...alarm, because: [{ say: "of another version", figures: {} }] };
    expect(reasonOf(unknown, zh)).toBe(reasonOf(alarm, en));
    const unusual = alarmLike({
      unit: "m", reason: "3.4 m is 2.1 m above what this hour usually has", because: [{ say: "beyond-hour", figures: { value: 3.4, beyond: 2.1 } }],
    });
    expect(reasonOf(unusual, zh)).toBe("3.4 m，比这个时段的常值高 2.1 m");
    expect(reasonOf(alarmLike({ reason: "never so high at this hour" }), zh)).toBe("never so high at this hour");
  });
  test("letters end at Z", () => {
    expect([0, 5, 25, 26, -1].map(letterOf)).toEqual(["A", "F", "Z", "", ""]);
  });
});

describe("order", () => {
  test("real before exercise, standing before over, worse first, untaken first, oldest first", () => {
    const alarms = [
      alarmLike({ id: "6", level: 0, peak_level: 4, state: "returned", raised_at: "2026-11-22T12:00:00Z" }),
      alarmLike({ id: "1", level: 4, exercise: true }),
      alarmLike({ id: "2", level: 3, acknowledged_at: "2026-11-22T14:01:00Z", raised_at: "2026-11-22T13:00:00Z" }),
      alarmLike({ id: "3", level: 3, raised_at: "2026-11-22T14:00:00Z" }),
      alarmLike({ id: "4", level: 4, raised_at: "2026-11-22T14:05:00Z" }),
      alarmLike({ id: "5", level: 3, raised_at: "2026-11-22T13:59:00Z" }),
    ];
    expect(openInOrder(table(...alarms)).map((alarm) => alarm.id)).toEqual(["4", "5", "3", "2", "6", "1"]);
  });
  test("ids decide ties as numbers, so that places are stable", () => {
    expect(byUrgency(alarmLike({ id: "9" }), alarmLike({ id: "10" }))).toBeLessThan(0);
  });
});

describe("news", () => {
  test("older news is dropped", () => {
    const known = table(alarmLike({ changed_at: "2026-11-22T14:10:00Z", value: 2 }));
    expect(withNews(known, alarmLike({ changed_at: "2026-11-22T14:09:00Z", value: 1 }))).toBe(known);
  });
  test("an echo from before the acknowledgement does not undo it", () => {
    const known = table(alarmLike({ acknowledged_at: "2026-11-22T14:10:00Z" }));
    expect(withNews(known, alarmLike({}))).toBe(known);
  });
  test("an acknowledged and returned alarm is no longer open", () => {
    const next = withNews(table(alarmLike({})), alarmLike({ state: "returned", acknowledged_at: "2026-11-22T14:10:00Z" }));
    expect([...next.values()].filter(isOpen)).toEqual([]);
  });
});

test("exercises are counted on their own", () => {
  const counts = countByLevel([alarmLike({ id: "1" }), alarmLike({ id: "2", exercise: true }), alarmLike({ id: "3", acknowledged_at: "2026-11-22T14:10:00Z" })]);
  expect(counts[3]).toEqual({ open: 2, untaken: 1, exercise: 1 });
});
