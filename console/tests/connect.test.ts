// The pure parts of the onboarding page: its address, its form, its words, what the hub says put into Chinese.
import { describe, expect, test } from "vitest";
import { EMPTY, faultsOf, pairOf, suggestedId, wantedOf, type Draft } from "../src/connect/draft";
import { en } from "../src/connect/en";
import { fitted } from "../src/connect/picture";
import { chinese } from "../src/connect/told";
import { zh } from "../src/connect/zh";
import { hashOf, routeOf } from "../src/route";
import { zh as main } from "../src/words/zh";

test("the address says which page and which device, and nothing that is no device's id", () => {
  expect(routeOf("")).toEqual({ page: "desk" });
  expect(routeOf("#connect")).toEqual({ page: "connect", device: null });
  expect(routeOf("#connect/gauge-7")).toEqual({ page: "connect", device: "gauge-7" });
  expect(routeOf("#connect/../x")).toEqual({ page: "desk" });
  expect(routeOf("#connect/<b>")).toEqual({ page: "connect", device: null });
  for (const hash of ["", "#connect", "#connect/gauge-7"]) expect(hashOf(routeOf(hash))).toBe(hash);
});

describe("the form", () => {
  const whole: Draft = { ...EMPTY, id: "gauge-7", profile: "river-gauge", department: "water", lon: "120.6", lat: "31.3" };
  const faults = (change: Partial<Draft>) => [...faultsOf({ ...whole, ...change })];
  test("what is missing or wrong is named", () => {
    expect(faults({})).toEqual([]);
    expect(faults({ lon: "", lat: "" })).toEqual([]);
    expect(faults({ id: "", profile: "", department: "" })).toEqual(["id", "profile", "department"]);
    for (const id of ["hub", "alarm", "Gauge", "-a", "a b", "河", "a".repeat(65)]) expect(faults({ id })).toEqual(["id"]);
    // One of two, swapped, beyond the globe, no number.
    for (const place of [{ lat: "" }, { lon: "31.3", lat: "120.6" }, { lon: "181" }, { lat: "31,3,1" }, { lon: "1e2" }]) expect(faults(place)).toEqual(["place"]);
  });
  test("what is sent is what was typed, empty boxes as nothing", () => {
    expect(wantedOf({ ...whole, name: "  ", lon: " 120,6° ", datum: "GCJ02" })).toEqual({
      id: "gauge-7", name: null, profile: "river-gauge", department: "water", gateway: null, lon: 120.6, lat: 31.3, datum: "GCJ02",
    });
    expect(wantedOf({ ...whole, lon: "", lat: "" })).toMatchObject({ lon: null, lat: null });
  });
  test("a label's serial number makes a first id", () => {
    expect(suggestedId("river-gauge", "SN 0042")).toBe("river-gauge-sn-0042");
    expect(suggestedId("river-gauge", "编号")).toBe("");
    const long = suggestedId("river-gauge", "9 ".repeat(60));
    expect(faultsOf({ ...whole, id: long }).size).toBe(0);
  });
  test("a pair that was copied from a map fills both boxes, a number does not", () => {
    expect(pairOf("120.612345, 31.3")).toEqual(["120.612345", "31.3"]);
    expect(pairOf("120.612345，31.3")).toEqual(["120.612345", "31.3"]);
    expect([pairOf("120.6"), pairOf("120,6"), pairOf("")]).toEqual([null, null, null]);
  });
});

test("a picture is made smaller and never larger", () => {
  expect(fitted(4000, 3000)).toEqual([1600, 1200]);
  expect(fitted(3000, 4000)).toEqual([1200, 1600]);
  expect(fitted(800, 600)).toEqual([800, 600]);
  expect(fitted(10_000, 1)).toEqual([1600, 1]);
});

test("both dictionaries have the same entries, none empty", () => {
  const shape = (book: object): string[] => Object.entries(book).flatMap(([key, value]) => (typeof value === "object" ? shape(value as object).map((rest) => `${key}.${rest}`) : `${key}:${typeof value}`));
  expect(shape(zh).sort()).toEqual(shape(en).sort());
  expect(JSON.stringify([en, zh])).not.toContain('""');
});

describe("what the hub says, in Chinese", () => {
  const say = (text: string) => chinese(text, main.metric);
  test("lines of a card", () => {
    expect(say("12 came, 13 due")).toBe("收到 12，应到 13");
    expect(say("at least 90% of one each 300 s")).toBe("每 300 秒一条，至少到 90%");
    expect(say("1.2 to 3.4 m, 0% flagged")).toBe("1.2 至 3.4 m，标记 0%");
    expect(say("0 to 1, 50% flagged")).toBe("0 至 1，标记 50%");
    expect(say("120.600000, 31.300000; in river-a; 9 m away (the phone says within 10 m)")).toBe("120.600000, 31.300000；位于 river-a；距此 9 米（手机误差 10 米）");
    expect(say("0 to 1, 50% flagged")).toBe("0 至 1，标记 50%");
    expect(say("120.600000, 31.300000; in no zone")).toBe("120.600000, 31.300000；不在任何区域内");
    expect(say("Nothing came of rain, battery.")).toBe("未收到：雨量、电量。");
    expect(say("5 received, 5 stored, 0 twice, 0 refused, 1 gap")).toBe("收到 5，入库 5，重复 0，拒收 0，中断 1");
  });
  test("two sentences are two", () => {
    expect(say("3 were refused: the dead letters say why. The longest gap was 40 s; look at gateway-7 too.")).toBe("拒收 3 条：原因见死信。 最长中断 40 秒；也看看 gateway-7。");
    expect(say("The registry's place is 90 m from here. No zone covers it: is the place right?")).toBe("登记位置距此 90 米。 没有区域包含它：位置对吗？");
  });
  test("what is not known is shown as it came", () => {
    expect(say("Something new happened.")).toBe("Something new happened.");
  });
});
