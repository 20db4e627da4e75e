// What an alarm means to people: is it open, has somebody taken it, which level is shown, what comes first. No I/O.
import type { Alarm, Level } from "./contract";
import type { Words } from "./words";

/** Levels that are alarms, the worst first. */
export const LEVELS = [4, 3, 2, 1] as const;
export type AlarmLevel = (typeof LEVELS)[number];

/** untaken: nobody has it (filled). taken: somebody has (outline). over: returned to normal, never taken (dashed). closed: gone. */
export type Hold = "untaken" | "taken" | "over" | "closed";

export type AlarmTable = ReadonlyMap<string, Alarm>;

export function holdOf(alarm: Alarm): Hold {
  const taken = alarm.acknowledged_at !== null;
  if (alarm.state === "returned") return taken ? "closed" : "over";
  return taken ? "taken" : "untaken";
}

export const isOpen = (alarm: Alarm): boolean => holdOf(alarm) !== "closed";

/** A returned alarm may stand at 0; people are told how bad it was. */
export function shownLevel(alarm: Alarm): AlarmLevel {
  const level: Level = alarm.state === "returned" ? alarm.peak_level : alarm.level;
  return (level || alarm.peak_level || 1) as AlarmLevel;
}

/** The digit that people see: level 4 is 1, the worst. */
export const digitOf = (level: AlarmLevel): number => 5 - level;

/** The table with this news in it, unless the news is older than what is known. */
export function withNews(table: AlarmTable, news: Alarm): AlarmTable {
  const known = table.get(news.id);
  if (known) {
    const older = Date.parse(news.changed_at) - Date.parse(known.changed_at);
    if (older < 0 || (older === 0 && known.acknowledged_at !== null && news.acknowledged_at === null)) return table;
  }
  return new Map(table).set(news.id, news);
}

const URGENCY: Record<Hold, number> = { untaken: 0, taken: 1, over: 2, closed: 3 };

/**
 * Real before exercise, what stands before what is over (else yesterday's floods hide today's), then level, then what
 * nobody has, then what has waited longest; the id keeps ties in place.
 */
export function byUrgency(a: Alarm, b: Alarm): number {
  return (
    Number(a.exercise) - Number(b.exercise) ||
    Number(a.state === "returned") - Number(b.state === "returned") ||
    shownLevel(b) - shownLevel(a) ||
    URGENCY[holdOf(a)] - URGENCY[holdOf(b)] ||
    Date.parse(a.raised_at) - Date.parse(b.raised_at) ||
    (a.id.length - b.id.length || (a.id < b.id ? -1 : 1))
  );
}

export const openInOrder = (table: AlarmTable): Alarm[] => [...table.values()].filter(isOpen).sort(byUrgency);

export interface Count {
  open: number;
  untaken: number;
  exercise: number;
}

/** Per level: open and untaken real alarms, and exercise alarms on their own. */
export function countByLevel(alarms: Iterable<Alarm>): Record<AlarmLevel, Count> {
  const counts = {} as Record<AlarmLevel, Count>;
  for (const level of LEVELS) counts[level] = { open: 0, untaken: 0, exercise: 0 };
  for (const alarm of alarms) {
    if (!isOpen(alarm)) continue;
    const count = counts[shownLevel(alarm)];
    if (alarm.exercise) count.exercise += 1;
    else {
      count.open += 1;
      if (alarm.acknowledged_at === null) count.untaken += 1;
    }
  }
  return counts;
}

/** What is wrong: the rule's title, else what is measured, else the rule's key. */
export const titleOf = (alarm: Alarm, words: Pick<Words, "title" | "metric">): string =>
  words.title(alarm.title?.trim() ?? "") || (alarm.metric ? words.metric(alarm.metric) : alarm.rule);

/** What it is wrong with. */
export const deviceOf = (alarm: Alarm): string => alarm.device_name?.trim() || alarm.device;

/** Why, without the name that stands beside it; in the language of the words, where they know all clauses of it. */
export function reasonOf(alarm: Alarm, words: Pick<Words, "because">): string {
  const said = alarm.because?.length ? words.because(alarm.because, alarm.unit) : null;
  if (said !== null) return said;
  const name = `${deviceOf(alarm)}: `;
  const reason = alarm.reason ?? "";
  return reason.startsWith(name) ? reason.slice(name.length) : reason;
}

/** A to Z by place in the list, the same letter on the map. */
export const letterOf = (place: number): string => (place >= 0 && place < 26 ? String.fromCharCode(65 + place) : "");
