// Asks the hub again and again while the page is looked at; what was heard last stays, and how the last try ended is told.
import { useEffect, useRef, useState } from "preact/hooks";
import { Refusal } from "../api";
import { leave } from "../situation";

export interface Polled<T> {
  value: T | null;
  /** Local clock, ms. */
  heardAt: number | null;
  /** Of the last try; undefined where it worked. */
  error: unknown;
  again(): void;
}

const AFTER_TROUBLE_MS = 3_000;

/** `key` null asks nothing; another key asks anew at once, and keeps the old answer until the new one comes. */
export function usePolled<T>(key: string | null, ask: () => Promise<T>, everyMs: number): Polled<T> {
  const [{ value, heardAt, error }, set] = useState<Omit<Polled<T>, "again">>({ value: null, heardAt: null, error: undefined });
  const [turn, setTurn] = useState(0);
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    if (key === null) return;
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asking = false;
    const look = async (): Promise<void> => {
      // Woken while an answer is awaited: that one goes on, a second chain of questions never begins.
      if (asking) return;
      asking = true;
      clearTimeout(timer);
      let pause = everyMs;
      try {
        const found = await latest.current();
        if (gone) return;
        set({ value: found, heardAt: Date.now(), error: undefined });
      } catch (trouble) {
        if (gone) return;
        if (signedOut(trouble)) return;
        pause = Math.max(everyMs, AFTER_TROUBLE_MS);
        set((before) => ({ ...before, error: trouble }));
      }
      asking = false;
      // A phone in a pocket asks nothing; taken out, it asks at once.
      if (!document.hidden) timer = setTimeout(() => void look(), pause);
    };
    const wake = () => {
      if (!document.hidden) void look();
    };
    document.addEventListener("visibilitychange", wake);
    addEventListener("online", wake);
    void look();
    return () => {
      gone = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", wake);
      removeEventListener("online", wake);
    };
  }, [key, turn, everyMs]);
  return { value, heardAt, error, again: () => setTurn((n) => n + 1) };
}

/** Whether the session is over; then the page is left for the sign-in page. */
export function signedOut(error: unknown): boolean {
  if (!(error instanceof Refusal) || error.status !== 401) return false;
  leave();
  return true;
}
