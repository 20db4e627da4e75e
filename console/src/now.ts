// One clock for the whole page: everything that counts seconds counts the same second.
import { useEffect, useState } from "preact/hooks";

const watchers = new Set<(now: number) => void>();
let timer: ReturnType<typeof setTimeout> | undefined;

function tick(): void {
  const now = Date.now();
  timer = setTimeout(tick, 1000 - (now % 1000) + 5);
  for (const watcher of watchers) watcher(now);
}

export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    watchers.add(setNow);
    if (watchers.size === 1) tick();
    return () => {
      watchers.delete(setNow);
      if (watchers.size === 0) clearTimeout(timer);
    };
  }, []);
  return now;
}
