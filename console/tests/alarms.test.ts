// Order, state and merging of alarms: what comes first, who has it, and that old news changes nothing.
import { describe, expect, test } from "vitest";
import { byUrgency, countByLevel, digitOf, holdOf, isOpen, letterOf, openInOrder, reasonOf, shownLevel, withNews } from "../src/alarms";
import { chineseReason } from "../src/reasons";
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
    expect(reasonOf(alarmLike({}))).toBe("");
    expect(reasonOf(alarmLike({ device_name: "The square", reason: "The square: full in about 9 min" }))).toBe("full in about 9 min");
    expect(reasonOf(alarmLike({ reason: "never so high at this hour" }))).toBe("never so high at this hour");
  });
  test("a reason is said in Chinese clause by clause, and as it came where one of them is not known", () => {
    expect(chineseReason("full in about 3 min (2 to 6), 1,640 of 2,750 people, 472 more a minute")).toBe("约 3 分钟后满员（2 至 6 分钟），1,640 人，可容 2,750 人，每分钟增加 472 人");
    expect(chineseReason("4.1 people per m2 on the 62 % of it that cameras see, 2,100 people in the 62 % that cameras see")).toBe("摄像机可见的 62 % 内每平方米 4.1 人，摄像机可见的 62 % 内 2,100 人");
    expect(chineseReason("2,700 of 2,750 people, counted at its doors, give or take 12, 3 fewer a minute")).toBe("2,700 人，可容 2,750 人，由出入口计数，误差 12 人，每分钟减少 3 人");
    expect(chineseReason("3.4 m is 2.1 m above what this hour usually has")).toBe("3.4 m，比这个时段的常值高 2.1 m");
    expect(chineseReason("2 inside, because the gate stands open")).toBe("2 inside, because the gate stands open");
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
