// The Chinese words of the console.
import type { Words } from "./en";
import { because } from "./because";

const METRICS: Record<string, string> = {
  level: "水位", water_level: "水位", depth: "积水深度", flow: "流量", discharge: "流量", rain: "雨量", rainfall: "雨量",
  temperature: "温度", humidity: "湿度", conductivity: "电导率", ph: "pH", turbidity: "浊度", pressure: "压力", tilt: "倾角",
  angle: "倾角", methane: "甲烷", gas: "燃气", density: "人群密度", crowd_density: "人群密度", count: "计数", in: "进入人数", passed: "通过人数", occupancy: "占有率",
  persons: "人数", full: "占容量", change: "每分钟增加人数", "minutes-to-full": "距满员时间", crowded: "最密处密度", seen: "可见面积占比", disagree: "摄像机与出入口计数相差",
  tracks: "区内轨迹", dwelling: "滞留过久", absent: "应在未在", unheard: "应在而失联", intruders: "未经许可在内", untimed: "时间有误的位置", "clock-back": "时钟被拨回", spread: "误差",
  "flow-forward": "正向流量", "flow-back": "反向流量", "flow-both": "双向流量", "clock-apart": "时钟偏差",
  water: "水面距井盖", open: "开启", lamp: "灯", backlog: "待传读数", people: "人数",
  velocity: "流速", "volume-total": "累计水量", "rain-total": "累计雨量", "rain-5min": "5 分钟雨量", "rain-1h": "1 小时雨量", "rain-1d": "日雨量",
  "water-temperature": "水温", "air-temperature": "气温", "air-pressure": "气压", "wind-speed": "风速", "wind-direction": "风向", evaporation: "蒸发量",
  "dissolved-oxygen": "溶解氧", cod: "COD", "cod-mn": "高锰酸盐指数", ammonia: "氨氮", phosphorus: "总磷", nitrogen: "总氮",
  "pm2-5": "PM2.5", so2: "二氧化硫", no2: "二氧化氮", o3: "臭氧", co: "一氧化碳", "battery-level": "电池电量", rssi: "信号 RSSI", snr: "信噪比",
  displaced: "移位", "water-detected": "浸水", "energy-total": "累计电量", dimming: "调光", out: "离开人数", "in-total": "累计进入", "out-total": "累计离开",
  car: "车辆", "car-total": "累计车辆", "people-total": "累计人数", "pump-running": "水泵运行", "pump-current": "水泵电流", "gate-opening": "闸门开度",
  "mains-lost": "市电中断", "battery-low": "电量低", "door-open": "柜门开启", "level-alarm": "水位报警", "flow-alarm": "流量报警", "quality-alarm": "水质报警",
  speed: "速度", battery: "电量", voltage: "电压", current: "电流", power: "功率", noise: "噪声", pm25: "PM2.5", pm10: "PM10",
  // The hub, its gateways and what platforms say of themselves.
  queue: "排队", held: "等待处理的消息", refused: "拒收的消息", "over-quota": "超限拒收的消息", "broker-dropped": "消息服务器丢弃", shed: "未读即弃的消息", unbalanced: "账目差额", "census-failed": "统计失败次数",
  "edge-waiting": "网关待传批次", "edge-damaged": "网关丢失批次", "edge-dropped": "网关丢弃读数", "edge-rejected": "网关拒收帧", "edge-suppressed": "网关未上报读数", "edge-drivers-failed": "网关故障驱动", "edge-links": "网关连接数",
  "edge-disk-free": "网关剩余磁盘", "edge-memory": "网关内存", "edge-cpu": "网关处理器", "edge-clock-synchronised": "网关已对时", "edge-clock-offset": "网关时钟偏差",
  online: "在线", uptime: "运行时长", "storage-used": "存储占用", "camera-fps": "摄像机帧率", "process-fps": "处理帧率", "skipped-fps": "跳过帧率", "detection-fps": "检测帧率", "link-margin": "链路余量",
  // Water.
  "section-area": "断面面积", "water-depth": "地下水埋深", "groundwater-depth": "地下水埋深", "level-above": "闸上水位", "level-below": "闸下水位", "level-upstream": "闸上水位", "level-downstream": "闸下水位",
  inflow: "入库流量", outflow: "出库流量", storage: "蓄水量", "flow-out": "出流量", "flow-gate": "单孔流量", "velocity-mean": "平均流速", "rain-today": "当日雨量", "rain-storm": "本次降雨量", bucket: "雨量桶存量", duration: "历时",
  "evaporation-1d": "日蒸发量", "wave-height": "波高", sediment: "含沙量", "sediment-load": "输沙量", "gate-number": "闸门编号", "gate-open": "闸门开启", "gates-open": "开启闸孔数", "valve-open": "阀门开启", "pumps-running": "运行水泵数", "conduit-kind": "水道类别",
  "intake-flow": "取水口流量", "intake-level": "取水口水位", "level-relative": "相对水位", "water-left": "剩余水量", "volume-1h": "小时水量", "soil-moisture": "土壤含水量", "soil-temperature": "土壤温度", "ground-temperature": "地温",
  "water-pressure": "水压", redox: "氧化还原电位", "organic-carbon": "总有机碳", chlorophyll: "叶绿素", copper: "铜", zinc: "锌", selenium: "硒", arsenic: "砷", mercury: "汞", cadmium: "镉", lead: "铅",
  "pressure-alarm": "压力报警", "temperature-alarm": "温度报警", "flow-meter-fault": "流量计故障", "level-meter-fault": "水位计故障", "quota-alarm": "定额报警", "remaining-water-alarm": "剩余水量报警", "water-left-alarm": "剩余水量报警", "storage-fault": "存储故障", "ic-card": "IC 卡",
  // Air and weather.
  gust: "阵风", "wind-force": "风力", radiation: "辐射", visibility: "能见度", "noise-max": "最大噪声", "absolute-humidity": "绝对湿度", "hydrogen-sulphide": "硫化氢", "carbon-monoxide": "一氧化碳", oxygen: "氧气", "dew-point": "露点",
  // Structures, supply and buildings.
  strain: "应变", displacement: "位移", acceleration: "加速度", "deck-temperature": "桥面温度", "tilt-x": "X 轴倾角", "tilt-y": "Y 轴倾角", "tilt-z": "Z 轴倾角", load: "载荷", moment: "力矩", floor: "楼层", trapped: "困人", "trips-total": "累计运行次数",
  "power-factor": "功率因数", "voltage-a": "A 相电压", "voltage-b": "B 相电压", "voltage-c": "C 相电压", "current-a": "A 相电流", "current-b": "B 相电流", "current-c": "C 相电流", frequency: "频率", leakage: "漏电流", "cable-temperature": "电缆温度",
  fill: "满溢度", "bin-temperature": "箱内温度", "fire-alarm": "火警", fault: "故障", disabled: "屏蔽", smoke: "烟雾", tampered: "被拆动", duty: "当班", emergency: "紧急求助",
  // Traffic and what cameras count.
  "travel-time": "行程时间", vehicles: "车辆", bicycles: "自行车", animals: "动物", objects: "目标", bus: "公交车", truck: "卡车", motorcycle: "摩托车", bicycle: "自行车", boat: "船", dog: "犬", crossed: "越线", "count-total": "累计计数",
  "signal-loss": "视频信号丢失", "scene-changed": "画面被移动", "image-too-dark": "画面过暗", "image-too-bright": "画面过亮", "image-too-blurry": "画面模糊",
};

const PERIODS: Record<string, string> = { min: "分钟", h: "小时", minute: "分钟", hour: "小时", day: "日" };
const KINDS: Record<string, string> = { avg: "均值", min: "最小值", max: "最大值", cou: "累计" };
/** Families of metrics whose names are put together: of periods, of the depth in the soil, of what moves, and numbered ones. */
const FAMILIES: [RegExp, (...parts: string[]) => string][] = [
  [/^rain-(\d+)(min|h)$/, (n, unit) => `${n} ${PERIODS[unit!]}雨量`],
  [/^soil-(moisture|temperature)-(\d+)$/, (what, cm) => `${cm} cm ${metric(`soil-${what}`)}`],
  [/^(.+)-(minute|hour|day)-(avg|min|max|cou)$/, (of, period, kind) => `${metric(of!)}${PERIODS[period!]}${KINDS[kind!]}`],
  [/^(.+)-emission$/, (of) => `${metric(of!)}排放`],
  [/^(.+)-converted$/, (of) => `${metric(of!)}折算`],
  [/^(.+)-active$/, (of) => `移动的${metric(of!)}`],
  [/^(.+)-(in|out)$/, (of, way) => `${way === "in" ? "进入" : "离开"}的${metric(of!)}`],
  [/^(.+)-(\d+)$/, (of, n) => `${metric(of!)} ${n}`],
];

function metric(key: string): string {
  const known = METRICS[key.toLowerCase()];
  if (known !== undefined) return known;
  for (const [family, say] of FAMILIES) {
    const found = family.exec(key);
    if (found) return say(...found.slice(1));
  }
  return key.replaceAll(/[_-]/g, " ");
}

/** Titles of the rules that are shipped. */
const TITLES: Record<string, string> = {
  "Crowd density": "人群密度", "Manhole cover open": "井盖开启", "Water under the manhole cover": "井下水位", "River stage": "河道水位",
  "Filling up": "接近满员", "Full soon": "即将满员", "Somebody is in a restricted area": "有人进入禁区", "Somebody stays too long": "有人滞留过久",
  "Not where it ought to be": "应在未在", "As many as can pass": "通道已达极限", "Clock apart, its counts are left out": "时钟偏差，其计数不用", "Cameras and doors disagree": "摄像机与出入口计数不符", "The census failed": "人数统计失败",
  "Not heard, and ought to be inside": "应在而失联", "Positions of a wrong time in a restricted area": "禁区内有时间错误的位置", "The hub's clock was set back": "中枢时钟被拨回",
  "No data": "无数据", "The ledger does not balance": "账目不平", "The broker drops messages": "消息服务器丢弃消息", "Sends more than its quota, and messages are refused": "发送超限，消息被拒收",
  "Messages of Sparkplug are let go unread": "Sparkplug 消息未读即弃", "An edge journal has lost readings that it had accepted": "网关丢失了已接收的读数", "A full edge journal has dropped its oldest readings": "网关存储已满，最早的读数被丢弃",
};

export const zh: Words = {
  product: "城市感知中心",
  language: { own: "中文", other: "English", switchTo: "切换为英文 / Switch to English" },
  levels: { 4: "特别重大", 3: "重大", 2: "较大", 1: "一般" },
  level: (digit, name) => `${digit} 级，${name}`,
  levelStrip: "各级未结告警",
  untakenCount: (n) => (n === 0 ? "均已接警" : `未接警 ${n}`),
  exerciseCount: (n) => `演练 ${n}`,
  exercise: "演练",
  stateOf: (metric, value) => (metric === "open" ? (value === 1 ? "开启" : value === 0 ? "关闭" : null) : null),
  title: (title) => TITLES[title] ?? title,
  because,
  metric,

  signIn: {
    title: "登录",
    name: "用户名",
    password: "密码",
    go: "登录",
    going: "正在登录…",
    fillBoth: "请输入用户名和密码。",
    wrong: "用户名或密码不正确，请核对后重试。",
    tooOften: (seconds) => `错误次数过多，请${seconds === null ? "稍" : `在 ${Math.ceil(seconds)} 秒`}后再试。`,
    out: "退出登录",
  },
  checking: "正在确认登录状态…",

  fresh: {
    starting: "正在连接…",
    live: "数据实时",
    newest: (age) => `最新读数 ${age}前`,
    hubAlive: (age) => `中枢 ${age}前应答`,
    noReading: "启动后尚无读数",
    noDataSince: (time) => `${time} 起无数据`,
    noDataYet: "尚无数据",
    line: "连接中断，正在重连。画面为旧数据。",
    hub: "中枢无响应。画面为旧数据。",
  },

  list: {
    title: "待处置",
    order: "按 未恢复 → 等级 → 未接警 → 最早 排序",
    held: "指向列表时行位保持不动",
    news: (n) => `末尾新增 ${n} 条`,
    loading: "正在读取告警…",
    none: "没有未结告警。",
    noneNote: "所有告警均已接警并恢复正常。",
    unknown: "告警读取失败，此列表不可信。",
    pages: (first, last, all) => `${first}–${last} / ${all}`,
    hidden: (n) => `另有 ${n} 条`,
    allShown: (n) => `共 ${n} 条，全部显示`,
    previous: "上一页",
    next: "下一页",
    label: (letter, title) => (letter ? `${letter}，${title}` : title),
  },
  alarm: {
    limit: "限值",
    rising: "上升",
    falling: "下降",
    steady: "平稳",
    since: (time) => `${time} 起`,
    nowhere: "区域未知",
    waiting: "未接警",
    ago: (age) => `${age}前`,
    old: "旧值",
    doubt: { suspect: "可疑", failed: "未通过检查", missing: "缺测" },
    over: (time) => `${time} 已恢复`,
    took: (span) => `接警用时 ${span}`,
    takenAt: (time) => `${time} 接警`,
    closed: "已结",
    acknowledge: "确认接警",
    acknowledgeThis: (title) => `确认接警 ${title}`,
    sending: "正在发送…",
    state: { untaken: "未接警", taken: "已接警", over: "已恢复、未接警", closed: "已结" },
    arrived: (level, title, value) => `新告警，${level}：${title}，${value}`,
  },
  map: {
    title: "区域、设备与告警地图",
    loading: "正在绘制地图…",
    plan: "简图：此浏览器不支持 WebGL 2",
    legendTaken: "空心 = 已接警",
    legendOver: "虚线 = 已恢复、未接警",
    legendNormal: "正常设备",
    noPlace: (n) => `${n} 条告警无位置`,
    noPlaceDevices: (n) => `${n} 台设备无位置未绘出`,
    zoomIn: "放大",
    zoomOut: "缩小",
  },
  load: {
    title: "10 分钟告警数",
    target: "每席目标 ≤ 1",
    peak: (n) => `近 4 小时 · 峰值 ${n}`,
    label: (now, peak) => `近 10 分钟 ${now} 条告警，近 4 小时峰值 ${peak}，目标 1`,
  },
  history: {
    last: (span) => `近 ${span}`,
    loading: "正在读取数值…",
    none: "近 2 小时无数值。",
    noAlarm: "未选中告警。",
    suspect: (n) => `${n} 个值被标记为可疑或更差`,
    label: (what, value, limit) => `${what}：最新 ${value}，限值 ${limit}`,
  },
  vitals: {
    offline: "离线设备",
    offlineOf: (n) => `共 ${n} 台`,
    ledger: "账目",
    balanced: "平衡：每条读数都有去处",
    unbalanced: (n) => `${n} 条读数去向不明`,
    path: "读数",
    rate: "接入",
    perSecond: " 条/秒",
    stored: "入库",
    flagged: "被标记",
    late: "迟到",
    broker: "消息线路",
    connected: "已连接",
    disconnected: "未连接",
  },
  tabs: { alarms: "告警", map: "地图", connect: "接入", more: "状态" },
  enrolLink: {
    title: "此码供设备使用",
    how: "它让设备领取凭证，只能用一次，十分钟内有效。请用设备扫描，或在设备的计算机上运行：",
    secret: "得到此链接者即可冒充该设备。用完请关闭本页。",
    home: "前往值守台",
  },
  connect: { go: "接入设备", back: "返回值守台", loading: "正在读取页面…", failed: "页面读取失败，请检查网络。", again: "重试" },
  troubles: {
    title: "有操作未成功",
    close: "关闭",
    doing: {
      alarms: "读取告警",
      map: "读取区域和设备",
      load: "读取告警负荷",
      stream: "实时连接",
      signout: "退出登录",
      acknowledge: "确认接警",
      history: "读取数值",
    },
    unreachable: "无法连接中枢，请检查网络。",
    notSent: "未发出：该告警仍未接警。",
    forbidden: "您的角色无此权限。",
    missing: "中枢中（已）没有它。",
    faster: "他人已先接警。",
    broken: "中枢报告故障。",
    other: "中枢拒绝了该操作。",
  },
};
