// The language of the page: one typed dictionary per language, switched in the bar, remembered, told to the document.
import { useState, useEffect } from "preact/hooks";
import { en, type Words } from "./words/en";
import type { Lang } from "./words/lang";
import { zh } from "./words/zh";

export type { Lang, Words };

const BOOKS: Record<Lang, Words> = { zh, en };
const KEPT = "cityhub.lang";
const listeners = new Set<() => void>();
let lang: Lang = firstLang();

function firstLang(): Lang {
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept === "zh" || kept === "en") return kept;
  } catch {
    // Storage may be forbidden; the browser's language is as good.
  }
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function setLang(next: Lang): void {
  lang = next;
  tellDocument();
  try {
    localStorage.setItem(KEPT, next);
  } catch {
    // Not remembered then; the switch still works.
  }
  for (const listener of listeners) listener();
}

export function tellDocument(): void {
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
}

export function useWords(): { words: Words; lang: Lang } {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw((n) => n + 1);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, []);
  return { words: BOOKS[lang], lang };
}
