// The list of open alarms: a page of rows that fits without scrolling, held in place under the pointer, the hidden ones counted.
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { AlarmRow } from "./AlarmRow";
import { countByLevel, digitOf, isOpen, letterOf, LEVELS } from "./alarms";
import type { Alarm } from "./contract";
import { History } from "./History";
import { Mark } from "./levels";
import { useHeld } from "./seats";
import { situation } from "./situation";
import { useSlice } from "./store";
import { useWords } from "./words";

interface ListProps {
  /** Ids in the order to show, seated by the desk. */
  seats: readonly string[];
  selected: string | null;
  select(id: string): void;
  setHeld(held: boolean): void;
  /** Came while the list was held; they wait at its end. */
  news: number;
  /** Rows on one page; null: all, the page scrolls (phone). */
  pageSize: number | null;
  first: number;
  turn(first: number): void;
}

export function AlarmList({ seats, selected, select, setHeld, news, pageSize, first, turn }: ListProps) {
  const { words } = useWords();
  const alarms = useSlice(situation, (now) => now.alarms);
  const loaded = useSlice(situation, (now) => now.alarmsLoaded);
  const failed = useSlice(situation, (now) => now.troubles.has("alarms"));
  const { ref, held } = useHeld<HTMLOListElement>();
  useEffect(() => setHeld(held), [held]);
  useFocusKept(ref);
  const lastKnown = useRef(new Map<string, Alarm>());
  for (const id of seats) {
    const alarm = alarms.get(id);
    if (alarm) lastKnown.current.set(id, alarm);
  }
  const shownIds = pageSize === null ? seats : seats.slice(first, first + pageSize);
  const shown = shownIds.flatMap((id) => alarms.get(id) ?? lastKnown.current.get(id) ?? []);
  return (
    <section class="alarm-list" aria-labelledby="list-title">
      <header>
        <h2 id="list-title">{words.list.title}</h2>
        {news > 0 ? <strong class="news">{words.list.news(news)}</strong> : <span class="note">{held ? words.list.held : words.list.order}</span>}
      </header>
      <ol ref={ref} class={held ? "held" : ""}>
        {shown.map((alarm) => {
          const letter = letterOf(shownIds.indexOf(alarm.id));
          return (
            <AlarmRow key={alarm.id} alarm={alarm} letter={letter} selected={alarm.id === selected} select={select}>
              {pageSize === null && alarm.id === selected && <div class="card"><History alarm={alarm} /></div>}
            </AlarmRow>
          );
        })}
      </ol>
      {!loaded && <p class="list-note">{failed ? words.list.unknown : words.list.loading}</p>}
      {loaded && seats.length === 0 && <div class="list-note"><p>{words.list.none}</p><p class="note">{words.list.noneNote}</p></div>}
      {loaded && <Rest seats={seats} shownIds={shownIds} pageSize={pageSize} first={first} turn={turn} />}
    </section>
  );
}

function Rest({ seats, shownIds, pageSize, first, turn }: Pick<ListProps, "seats" | "pageSize" | "first" | "turn"> & { shownIds: readonly string[] }) {
  const { words } = useWords();
  const alarms = useSlice(situation, (now) => now.alarms);
  const shown = new Set(shownIds);
  const hidden = [...alarms.values()].filter((alarm) => isOpen(alarm) && !shown.has(alarm.id));
  const counts = countByLevel(hidden);
  return (
    <footer>
      <span class="hidden-count">{hidden.length > 0 ? words.list.hidden(hidden.length) : seats.length > 0 ? words.list.allShown(seats.length) : ""}</span>
      {LEVELS.map((level) => {
        const n = counts[level].open;
        return n > 0 && <span key={level} class="hidden-level"><Mark level={level} hold="untaken" /><span class="for-ears">{digitOf(level)} {words.levels[level]} </span>{n}</span>;
      })}
      {LEVELS.some((level) => counts[level].exercise > 0) && (
        <span class="hidden-level">{words.exerciseCount(LEVELS.reduce((sum, level) => sum + counts[level].exercise, 0))}</span>
      )}
      {pageSize !== null && seats.length > pageSize && (
        <span class="pager">
          <button type="button" aria-label={words.list.previous} disabled={first === 0} onClick={() => turn(Math.max(0, first - pageSize))}>‹</button>
          <span>{words.list.pages(first + 1, Math.min(seats.length, first + pageSize), seats.length)}</span>
          <button type="button" aria-label={words.list.next} disabled={first + pageSize >= seats.length} onClick={() => turn(first + pageSize)}>›</button>
        </span>
      )}
    </footer>
  );
}

/** Moving a row in the document takes the focus from it, and a pressed Acknowledge button goes away: give the focus back to the row. */
function useFocusKept(list: RefObject<HTMLOListElement | null>): void {
  const focused = useRef<string | null>(null);
  useEffect(() => {
    const element = list.current;
    if (!element) return;
    const remember = (event: FocusEvent) => {
      focused.current = (event.target as HTMLElement).closest<HTMLElement>("[data-alarm]")?.dataset["alarm"] ?? null;
    };
    const elsewhere = (event: FocusEvent) => {
      if (!element.contains(event.target as Node)) focused.current = null;
    };
    element.addEventListener("focusin", remember);
    document.addEventListener("focusin", elsewhere);
    return () => {
      element.removeEventListener("focusin", remember);
      document.removeEventListener("focusin", elsewhere);
    };
  }, []);
  useLayoutEffect(() => {
    if (focused.current === null || document.activeElement !== document.body) return;
    const row = [...(list.current?.children ?? [])].find((child) => (child as HTMLElement).dataset["alarm"] === focused.current);
    row?.querySelector<HTMLElement>(".alarm-open")?.focus({ preventScroll: true });
  });
}
