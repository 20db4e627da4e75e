// The phone's places: alarms, map, state of the hub; and connecting devices, for those who do that.
import { useWords } from "./words";

export type Tab = "alarms" | "map" | "connect" | "more";

const ICONS: Record<Tab, string> = {
  alarms: "M12 3a6 6 0 0 0-6 6v5l-2 3h16l-2-3V9a6 6 0 0 0-6-6ZM10 20h4",
  map: "M3 6l6-2 6 2 6-2v14l-6 2-6-2-6 2ZM9 4v14M15 6v14",
  connect: "M12 3v6M9 9h6v4a3 3 0 0 1-6 0ZM12 16v5M5 7a9 9 0 0 0 0 10M19 7a9 9 0 0 1 0 10",
  more: "M4 19V11M10 19V5M16 19v-6M21 19H2",
};

export function Tabs({ tabs, tab, go }: { tabs: readonly Tab[]; tab: Tab; go(tab: Tab): void }) {
  const { words } = useWords();
  return (
    <nav class="tabs">
      {tabs.map((name) => (
        <button key={name} type="button" aria-current={tab === name ? "page" : undefined} onClick={() => go(name)}>
          <svg viewBox="0 0 24 24" aria-hidden="true"><path d={ICONS[name]} /></svg>
          {words.tabs[name]}
        </button>
      ))}
    </nav>
  );
}
