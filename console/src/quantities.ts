// Numbers with their units as people read them: UCUM codes become the signs on the gauge, digits are as many as say something.
import type { Lang } from "./words/lang";

/** Up to four digits that count, grouped; never an exponent for everyday sizes. */
export function numberText(value: number, lang: Lang): string {
  const size = Math.abs(value);
  const decimals = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;
  return new Intl.NumberFormat(lang === "zh" ? "zh-CN" : "en-GB", { maximumFractionDigits: decimals }).format(value);
}

const SIGNS: Record<string, string> = {
  Cel: "°C", deg: "°", ug: "µg", um: "µm", L: "L", "%[LEL]": "%LEL", "[ft_i]": "ft", "[in_i]": "in",
  "[mi_i]": "mi", "dB[SPL]": "dB", "[ppm]": "ppm", "[ppb]": "ppb", "[pH]": "pH", "1": "", NTU: "NTU",
};
const COUNTED: Record<string, Record<Lang, string>> = {
  person: { zh: "人", en: "people" }, persons: { zh: "人", en: "people" }, people: { zh: "人", en: "people" },
  vehicle: { zh: "辆", en: "vehicles" }, count: { zh: "次", en: "times" }, event: { zh: "次", en: "times" },
};
const TIMES: Record<string, string> = { s: "秒", min: "分钟", h: "小时", d: "天" };
const POWERS: Record<string, string> = { "2": "²", "3": "³", "-": "⁻", "1": "¹" };

/** m3/s is shown as m³/s, {person}/m2 as 人/m² or people/m², min as 分钟; what is not known is shown as it came. */
export function unitText(ucum: string | null, lang: Lang): string {
  if (!ucum) return "";
  const known = (lang === "zh" ? TIMES[ucum] : undefined) ?? SIGNS[ucum];
  if (known !== undefined) return known;
  return ucum
    .split("/")
    .map((part) => {
      const counted = /^\{(.+)\}$/.exec(part)?.[1];
      if (counted !== undefined) return COUNTED[counted]?.[lang] ?? counted;
      if (lang === "zh" && ucum.startsWith("{") && TIMES[part]) return TIMES[part];
      return part
        .split(".")
        .map((atom) => SIGNS[atom] ?? atom.replace(/^([a-zA-Zµ]+)(-?[123])$/, (_, name: string, power: string) =>
          (SIGNS[name] ?? name) + [...power].map((sign) => POWERS[sign]).join("")))
        .join("·");
    })
    .join("/");
}

/** 42 cm, 18°, 1.8 %LEL, – when there is none. */
export function quantityText(value: number | null, ucum: string | null, lang: Lang): string {
  if (value === null || !Number.isFinite(value)) return "–";
  const unit = unitText(ucum, lang);
  return numberText(value, lang) + (unit === "" || unit === "°" ? unit : ` ${unit}`);
}
