// Dates, times of day and spans as people of each language read them; always 24 hours, always local time.
import type { Lang } from "./words/lang";

const two = (n: number): string => String(n).padStart(2, "0");
const locale = (lang: Lang): string => (lang === "zh" ? "zh-CN" : "en-GB");

export const clockText = (at: number): string => `${minuteText(at)}:${two(new Date(at).getSeconds())}`;

export function minuteText(at: number): string {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** 11月22日 / 22 Nov */
export function dayText(at: number, lang: Lang): string {
  const date = new Date(at);
  if (lang === "zh") return `${date.getMonth() + 1}月${date.getDate()}日`;
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" }).format(date);
}

export const weekdayText = (at: number, lang: Lang): string =>
  new Intl.DateTimeFormat(locale(lang), { weekday: "short" }).format(new Date(at));

/** UTC+8, UTC-3:30: what all times of the page are counted from. */
export function zoneText(at: number): string {
  const minutes = -new Date(at).getTimezoneOffset();
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes < 0 ? "-" : "+"}${Math.floor(Math.abs(minutes) / 60)}${rest ? `:${two(rest)}` : ""}`;
}

/** The time alone when it is today, with its day (and year) when not. */
export function sinceText(at: number, now: number, lang: Lang): string {
  const date = new Date(at);
  const today = new Date(now);
  if (date.toDateString() === today.toDateString()) return minuteText(at);
  const year = date.getFullYear() === today.getFullYear() ? "" : lang === "zh" ? `${date.getFullYear()}年` : ` ${date.getFullYear()}`;
  const day = lang === "zh" ? year + dayText(at, lang) : dayText(at, lang) + year;
  return `${day} ${minuteText(at)}`;
}

/** 2 s, 12 min, 3 h, 4 d: how old something is, at a glance. */
export function agoText(ms: number, lang: Lang): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [n, unit] = seconds < 120 ? [seconds, 0] : seconds < 7200 ? [Math.floor(seconds / 60), 1] : seconds < 172_800 ? [Math.floor(seconds / 3600), 2] : [Math.floor(seconds / 86_400), 3];
  return `${n} ${(lang === "zh" ? ["秒", "分钟", "小时", "天"] : ["s", "min", "h", "d"])[unit]}`;
}

/** 2:12, 1:05:00, 3 d 4 h */
export function spanText(ms: number, lang: Lang): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(seconds / 3600);
  if (hours >= 24) {
    const days = Math.floor(hours / 24);
    return lang === "zh" ? `${days} 天 ${hours % 24} 小时` : `${days} d ${hours % 24} h`;
  }
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest.replace(/^0/, "");
}
