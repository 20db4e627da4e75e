// The hub tells cards, advice and reasons in English; here they are said in Chinese. What is not known is shown as it came.
type Said = (...parts: string[]) => string;
type Metric = (key: string) => string;

const SEPARATORS = /, /;

function patterns(metric: Metric): [RegExp, Said][] {
  const metrics = (list: string) => list.split(SEPARATORS).map(metric).join("、");
  return [
    // Values.
    [/^(\d+) came, (\d+) due$/, (came, due) => `收到 ${came}，应到 ${due}`],
    [/^(\d+) of (\d+)$/, (some, all) => `${some} / ${all}`],
    [/^(\S+) to (\S+?)( \S.*)?, (\S+) flagged$/, (least, most, unit = "", share) => `${least} 至 ${most}${unit}，标记 ${share}`],
    [/^not known yet$/, () => "尚不清楚"],
    [/^(\d+) received, (\d+) stored, (\d+) twice, (\d+) refused, (\d+) gaps?$/, (received, stored, twice, refused, gaps) => `收到 ${received}，入库 ${stored}，重复 ${twice}，拒收 ${refused}，中断 ${gaps}`],
    [/^none in the registry$/, () => "登记中没有"],
    [/^(\S+, \S+); (?:in no zone|in (.+?))(?:; (\d+) m away \(the phone says within (\d+) m\))?$/, (where, zones, away, within) =>
      `${where}；${zones ? `位于 ${zones}` : "不在任何区域内"}${away ? `；距此 ${away} 米（手机误差 ${within} 米）` : ""}`],
    [/^no\. (\d+)$/, (number) => `第 ${number} 号`],
    [/^none$/, () => "无"],
    // Limits.
    [/^at least (\S+%) of one each (\S+) s$/, (share, every) => `每 ${every} 秒一条，至少到 ${share}`],
    [/^all of the profile$/, () => "型号所列全部"],
    [/^at most (\S+%) flagged$/, (share) => `标记不超过 ${share}`],
    [/^within (\S+) s$/, (seconds) => `${seconds} 秒以内`],
    [/^at least (\S+) (\S+)$/, (least, unit) => `不低于 ${least} ${unit}`],
    [/^the profile's range$/, () => "型号的量程"],
    [/^none refused, no gap beyond (\S+) turns$/, (turns) => `无拒收，中断不超过 ${turns} 个周期`],
    [/^in a zone, within (\S+) m of the engineer$/, (near) => `在区域内，距工程师 ${near} 米以内`],
    [/^one$/, () => "一张"],
    // Why.
    [/^One has come; look again when the next is due, (\S+) s after it\.$/, (every) => `已到一条；下一条在其后 ${every} 秒，届时再看。`],
    [/^(\S+%) came: check link, power and the interval that is set\.$/, (share) => `只到了 ${share}：检查链路、供电和所设的间隔。`],
    [/^Nothing came of (.+)\.$/, (list) => `未收到：${metrics(list)}。`],
    [/^(\d+) of (\d+) readings are flagged suspect or failed\.$/, (some, all) => `${all} 条中 ${some} 条可疑或未通过检查。`],
    [/^The hub has not seen enough of its times yet\.$/, () => "中枢收到的时间还不够多。"],
    [/^It is (ahead|behind): set its clock, or its time server\.$/, (way) => `时钟${way === "ahead" ? "偏快" : "偏慢"}：校准时钟或对时服务器。`],
    [/^Below (\S+) it will be lost on a bad day\.$/, (limit) => `低于 ${limit} 时，天气不好就会失联。`],
    [/^The supply is outside the range of its profile\.$/, () => "供电超出型号的量程。"],
    [/^The ledger is off by (\S+): `cityhub ledger` shows where\.$/, (off) => `账目差 ${off}：cityhub ledger 可查出在哪里。`],
    [/^Nothing was received in this span\.$/, () => "这段时间内什么也没收到。"],
    [/^(\d+) were refused: the dead letters say why\.$/, (refused) => `拒收 ${refused} 条：原因见死信。`],
    [/^The longest gap was (\d+) s(?:; look at (\S+) too)?\.$/, (gap, gateway) => `最长中断 ${gap} 秒${gateway ? `；也看看 ${gateway}` : ""}。`],
    [/^Give the device its place\.$/, () => "请登记设备的位置。"],
    [/^No zone covers it: is the place right\?$/, () => "没有区域包含它：位置对吗？"],
    [/^Nobody has compared it with a position on the spot\.$/, () => "尚未与现场位置比对。"],
    [/^The registry's place is (\d+) m from here: one of the two is wrong\.$/, (away) => `登记位置距此 ${away} 米：两者必有一错。`],
    [/^The registry's place is (\d+) m from here\.$/, (away) => `登记位置距此 ${away} 米。`],
    [/^Take a picture of the mounted device\.$/, () => "请拍一张安装好的设备。"],
    // What to do next.
    [/^It is retired: nothing of it is taken\.$/, () => "设备已报废：不接收其数据。"],
    [/^It is heard, and refused: .*$/, () => "能听到它，但拒收：原因与处置见“被拒收”。"],
    [/^Its readings come through (\S+): configure it there\.$/, (gateway) => `读数经 ${gateway} 上来：请在网关上配置它。`],
    [/^Its readings come from its platform: see that it publishes them\.$/, () => "读数由其平台上报：请确认平台在发布。"],
    [/^Use the token on the device\.$/, () => "在设备上使用令牌。"],
    [/^Ask for a token and use it on the device\.$/, () => "生成令牌，并在设备上使用。"],
    [/^The broker does not know it yet: .*$/, () => "消息服务器还不认识它：cityhub up 或 cityhub broker export --follow 在运行吗？"],
    [/^It has not been heard yet: check power, network, broker address and topic\.$/, () => "还没有听到它：检查供电、网络、服务器地址和主题。"],
    [/^It is heard; wait for a reading that can be stored\.$/, () => "能听到它；等待可入库的读数。"],
    [/^Watch the readings, then measure and sign the acceptance card\.$/, () => "观察读数，然后核对并签署验收单。"],
    [/^It is accepted\.$/, () => "已验收。"],
  ];
}

const SENTENCES = /(?<=[.?]) (?=[A-Z\d])/;

/** The same in Chinese: as a whole, or sentence by sentence. `metric` gives a metric's Chinese name. */
export function chinese(text: string, metric: Metric): string {
  const table = patterns(metric);
  const one = (said: string): string | null => {
    for (const [pattern, say] of table) {
      const found = pattern.exec(said);
      if (found) return say(...found.slice(1));
    }
    return null;
  };
  return one(text) ?? text.split(SENTENCES).map((said) => one(said) ?? said).join(" ");
}
