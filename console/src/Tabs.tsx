// The phone's three places: alarms, map, state of the hub.
import { useWords } from "./words";

export type Tab = "alarms" | "map" | "more";

const ICONS: Record<Tab, string> = {
  alarms: "M12 3a6 6 0 0 0-6 6v5l-2 3h16l-2-3V9a6 6 0 0 0-6-6ZM10 20h4",
  map: "M3 6l6-2 6 2 6-2v14l-6 2-6-2-6 2ZM9 4v14M15 6v14",
  more: "M4 19V11M10 19V5M16 19v-6M21 19H2",
};

export function Tabs({ tab, go }: { tab: Tab; go(tab: Tab): void }) {
  const { words } = useWords();
  return (
    <nav class="tabs">
      {(Object.keys(ICONS) as Tab[]).map((name) => (
        <button key={name} type="button" aria-current={tab === name ? "page" : undefined} onClick={() => go(name)}>
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d={ICONS[name]} /></svg>
          {words.tabs[name]}
        </button>
      ))}
    </nav>
  );
}
