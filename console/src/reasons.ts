// Why an alarm stands: the hub says it in English, in clauses; here they are said in Chinese. What is not known is shown as it came.
type Said = (...parts: string[]) => string;

const SIDES: Record<string, string> = { above: "高", below: "低" };
const USUAL: Record<string, string> = {
  "what this hour usually has": "这个时段的常值", "what this hour of such a day usually has": "同类日这个时段的常值", "all that it lately had": "近来的所有读数",
};

const CLAUSES: [RegExp, Said][] = [
  // Watched zones and counting lines.
  [/^full$/, () => "已满员"],
  [/^full in about (\d+) min(?: \((\d+) to (\d+|much later)\))?$/, (minutes, least, most) =>
    `约 ${minutes} 分钟后满员${least ? (most === "much later" ? `（最早 ${least} 分钟，或晚得多）` : `（${least} 至 ${most} 分钟）`) : ""}`],
  [/^not full within (\d+) min$/, (minutes) => `${minutes} 分钟内不会满员`],
  [/^([\d,]+) of ([\d,]+) people$/, (persons, capacity) => `${persons} 人，可容 ${capacity} 人`],
  [/^([\d,]+) people$/, (persons) => `${persons} 人`],
  [/^([\d,]+) people in the (\d+) % that cameras see$/, (persons, share) => `摄像机可见的 ${share} % 内 ${persons} 人`],
  [/^(\d+) (more|fewer) a minute$/, (change, way) => `每分钟${way === "more" ? "增加" : "减少"} ${change} 人`],
  [/^([\d.]+) people per m2$/, (density) => `每平方米 ${density} 人`],
  [/^([\d.]+) people per m2 on the (\d+) % of it that cameras see$/, (density, share) => `摄像机可见的 ${share} % 内每平方米 ${density} 人`],
  [/^([\d.]+) people per m2 where it is densest$/, (density) => `最密处每平方米 ${density} 人`],
  [/^cameras see (\d+) % of it$/, (share) => `摄像机可见 ${share} %`],
  [/^counted by cameras$/, () => "由摄像机计数"],
  [/^counted at its doors$/, () => "由出入口计数"],
  [/^give or take (\d+)$/, (spread) => `误差 ${spread} 人`],
  [/^by their positions$/, () => "由定位得出"],
  [/^([\d,]+) people by the cameras and ([\d,]+) by the doors$/, (seen, doors) => `摄像机计 ${seen} 人、出入口计 ${doors} 人`],
  [/^the larger is believed$/, () => "取较大者"],
  [/^(\d+) inside$/, (tracks) => `区内 ${tracks}`],
  [/^and nobody expects them$/, () => "未经许可"],
  [/^(\d+) inside for longer than (\d+) min$/, (tracks, minutes) => `${tracks} 个滞留超过 ${minutes} 分钟`],
  [/^(\d+) missing of those that ought to be inside$/, (tracks) => `应在区内者缺 ${tracks}`],
  // What is unusual.
  [/^(\S+(?: \S+)?) is (\S+(?: \S+)?) (above|below) (.+)$/, (value, by, side, usual) => (USUAL[usual!] ? `${value}，比${USUAL[usual!]}${SIDES[side!]} ${by}` : "")],
  [/^(\S+(?: \S+)?) is (\S+(?: \S+)?) (up|down) in one step; the widest lately was (.+)$/, (value, by, way, widest) =>
    `${value}，一步${way === "up" ? "升" : "降"} ${by}；近来最大一步 ${widest}`],
  [/^for two hours every reading was (.+) or more (above|below) what these hours usually have$/, (by, side) => `两小时来每个读数都比常值${SIDES[side!]} ${by} 以上`],
];

function said(clause: string): string {
  for (const [pattern, say] of CLAUSES) {
    const found = pattern.exec(clause);
    if (found) return say(...found.slice(1));
  }
  return "";
}

/** The reason in Chinese: clause by clause, and whole or not at all. */
export function chineseReason(reason: string): string {
  const clauses = reason.split(", ").map(said);
  return clauses.every(Boolean) ? clauses.join("，") : reason;
}
