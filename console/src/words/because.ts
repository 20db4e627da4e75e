// Why an alarm of the census or of an anomaly stands, in Chinese: one sentence part for each clause that the hub tells.
import type { Clause } from "../contract";
import { quantityText } from "../quantities";

type Figures = Record<string, number | null>;
type Say = (of: Figures, unit: string | null) => string;

const whole = (value: number | null | undefined): string => (value == null ? "–" : Math.round(value).toLocaleString("en-US"));
const tenth = (value: number | null | undefined): string => (value == null ? "–" : value.toFixed(1));
const share = (of: Figures): string => (of.share == null ? "" : `摄像机可见的 ${whole(of.share)}% 内`);

function fullSoon(of: Figures): string {
  const span = of.earliest == null ? "" : `（${whole(of.earliest)} 至 ${of.latest == null ? "远晚于此" : whole(of.latest)}）`;
  return `约 ${whole(of.minutes)} 分钟后满员${span}`;
}

const brief = (value: number | null | undefined, unit: string | null): string => quantityText(value == null ? null : Number(value.toPrecision(3)), unit, "zh");
const beyond = (usual: string): Say => (of, unit) =>
  `${quantityText(of.value ?? null, unit, "zh")}，比${usual}${(of.beyond ?? 0) > 0 ? "高" : "低"} ${brief(Math.abs(of.beyond ?? 0), unit)}`;

const SAID: Record<string, Say> = {
  people: (of) => `${share(of)}${whole(of.n)} 人${of.of == null ? "" : `，容量 ${whole(of.of)} 人`}`,
  "by-cameras": () => "由摄像机计数",
  "by-doors": (of) => `由出入口计数，误差约 ${whole(of.spread)} 人`,
  "by-positions": () => "按位置统计",
  contradiction: (of) => `摄像机计 ${whole(of.cameras)} 人，出入口计 ${whole(of.doors)} 人，取较大者`,
  pace: (of) => `每分钟${(of.change ?? 0) > 0 ? "增加" : "减少"} ${whole(Math.abs(of.change ?? 0))} 人`,
  density: (of) => `${share(of)}每平方米 ${tenth(of.per_m2)} 人`,
  densest: (of) => `最密处每平方米 ${tenth(of.per_m2)} 人`,
  seen: (of) => `摄像机可见 ${whole(of.share)}%`,
  "full-soon": fullSoon,
  full: () => "已满员",
  "not-full-soon": (of) => `${whole(of.minutes)} 分钟内不会满员`,
  intruders: (of) => `${whole(of.n)} 个未经许可者在内`,
  untimed: (of) => `一分钟内有 ${whole(of.n)} 个区内位置时间错误或过旧，请查看何人在内`,
  dwelling: (of) => `${whole(of.n)} 个在内超过 ${whole(of.minutes)} 分钟`,
  absent: (of) => `应在区内者缺 ${whole(of.n)} 个`,
  unheard: (of) => `应在区内者有 ${whole(of.n)} 个久无音讯，不知在何处`,
  "beyond-hour": beyond("这个时段的常值"),
  "beyond-day-hour": beyond("同类日这个时段的常值"),
  "beyond-past": beyond("近来的所有读数"),
  step: (of, unit) =>
    `${quantityText(of.value ?? null, unit, "zh")}，一步${(of.beyond ?? 0) > 0 ? "升" : "降"} ${brief(Math.abs(of.beyond ?? 0), unit)}；近来最大一步 ${brief(of.widest, unit)}`,
  "hours-beyond": (of, unit) => `两小时来每个读数都比常值${(of.beyond ?? 0) > 0 ? "高" : "低"} ${brief(Math.abs(of.beyond ?? 0), unit)} 以上`,
};

/** Null where a clause is not known here: half a reason is worse than one in English. */
export function because(clauses: Clause[], unit: string | null): string | null {
  const parts = clauses.map(({ say, figures }) => SAID[say]?.(figures, unit));
  return parts.every((part) => part !== undefined) ? parts.join("，") : null;
}
