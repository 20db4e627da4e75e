// The operator's desk: one glance from left to right - where, what next, is it getting worse and can I trust it. On a phone, list first.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { AlarmList } from "./AlarmList";
import { letterOf, openInOrder, titleOf } from "./alarms";
import { Announcer } from "./Announcer";
import { Clock } from "./Clock";
import type { Alarm } from "./contract";
import { currentOf } from "./current";
import { FreshnessNote, useFreshness } from "./FreshnessNote";
import { LanguageSwitch } from "./LanguageSwitch";
import { Legend } from "./Legend";
import { LevelStrip } from "./LevelStrip";
import { CityMap } from "./map/CityMap";
import { groundOf, sceneOf } from "./map/scene";
import { useNow } from "./now";
import { LazyConnect } from "./LazyConnect";
import { quantityText } from "./quantities";
import { go, useRoute } from "./route";
import { usePhone, useRowsThatFit } from "./screen";
import { seat } from "./seats";
import { signOut, situation } from "./situation";
import { useSlice } from "./store";
import { Tabs, type Tab } from "./Tabs";
import { Thumb } from "./Thumb";
import { Troubles } from "./troubles";
import { useHubNow } from "./useCurrent";
import { Vitals } from "./Vitals";
import { useWords } from "./words";

const BACK_TO_FIRST_PAGE_MS = 45_000;
const CONNECTORS = new Set(["engineer", "administrator"]);

export function Desk() {
  const { words } = useWords();
  const phone = usePhone();
  const route = useRoute();
  const connecting = route.page === "connect";
  const [place, setPlace] = useState<Tab>("alarms");
  const tab = connecting ? "connect" : place;
  const floor = useRef<HTMLElement>(null);
  const rows = useRowsThatFit(floor);
  const list = useList(phone ? null : rows);
  const stale = useFreshness(useNow()).kind === "broken";
  const scene = useScene(list.shownIds, list.selected);
  const alarms = useSlice(situation, (now) => now.alarms);
  const session = useSlice(situation, (now) => now.session);
  const user = session !== null && session !== "asking" ? session : null;
  const connects = user !== null && CONNECTORS.has(user.role);
  const alarm = list.selected === null ? null : (alarms.get(list.selected) ?? null);
  const classes = ["desk", phone ? `phone on-${tab}` : connecting ? "wall on-connect" : "wall", stale ? "stale" : ""].join(" ");
  const setTab = (next: Tab) => {
    if (next !== "connect") setPlace(next);
    go(next === "connect" ? { page: "connect", device: null } : { page: "desk" });
  };
  const pick = (id: string) => {
    list.select(id);
    if (phone) setTab("alarms");
  };
  const menu = (
    <nav class="menu">
      <span class="user"><bdi>{user?.name}</bdi></span>
      {!phone && (connects || connecting) && (
        <button type="button" aria-pressed={connecting} onClick={() => go(connecting ? { page: "desk" } : { page: "connect", device: null })}>{connecting ? words.connect.back : words.connect.go}</button>
      )}
      <LanguageSwitch />
      <button type="button" onClick={() => void signOut()}>{words.signIn.out}</button>
    </nav>
  );
  return (
    <div class={classes} data-stale={stale}>
      <header class="bar">
        <h1>{words.product}</h1>
        {!phone && menu}
        <LevelStrip />
        <FreshnessNote />
        <Clock />
      </header>
      <Troubles />
      <main ref={floor} class="floor">
        {connecting && <LazyConnect device={route.device} />}
        {(phone ? tab === "map" : !connecting) && <div class="where"><CityMap scene={scene} pick={pick} /><Legend /></div>}
        {(phone ? tab === "alarms" : !connecting) && <AlarmList {...list} />}
        {phone && tab === "more" && <div class="more">{menu}<Vitals alarm={alarm} /></div>}
      </main>
      {!phone && !connecting && <Vitals alarm={alarm} />}
      {phone && tab === "alarms" && alarm && <Thumb key={alarm.id} alarm={alarm} letter={letterOf(list.shownIds.indexOf(alarm.id))} />}
      {phone && <Tabs tabs={connects || connecting ? ["alarms", "map", "connect", "more"] : ["alarms", "map", "more"]} tab={tab} go={setTab} />}
      <Announcer />
    </div>
  );
}

/** The list's order, page and selection. */
function useList(pageSize: number | null) {
  const alarms = useSlice(situation, (now) => now.alarms);
  const [held, setHeld] = useState(false);
  const [page, setPage] = useState(0);
  const [chosen, setChosen] = useState<string | null>(null);
  const seated = useRef<readonly string[]>([]);
  const beforeHold = useRef<ReadonlySet<string>>(new Set());
  const seats = useMemo(() => {
    if (!held) beforeHold.current = new Set();
    else if (beforeHold.current.size === 0) beforeHold.current = new Set(seated.current);
    seated.current = seat(seated.current, openInOrder(alarms).map((alarm) => alarm.id), held);
    return seated.current;
  }, [alarms, held]);
  const news = held ? seats.filter((id) => !beforeHold.current.has(id)).length : 0;
  useEffect(() => {
    if (page === 0 || held) return;
    const timer = setTimeout(() => setPage(0), BACK_TO_FIRST_PAGE_MS);
    return () => clearTimeout(timer);
  }, [page, held]);
  const first = pageSize === null || page >= seats.length ? 0 : page;
  const shownIds = useMemo(() => (pageSize === null ? seats : seats.slice(first, first + pageSize)), [seats, first, pageSize]);
  const selected = chosen !== null && seats.includes(chosen) ? chosen : (seats[0] ?? null);
  return { seats, shownIds, selected, select: setChosen, setHeld, news, pageSize, first, turn: setPage };
}

function useScene(lettered: readonly string[], selected: string | null) {
  const { words, lang } = useWords();
  const alarms = useSlice(situation, (now) => now.alarms);
  const devices = useSlice(situation, (now) => now.devices);
  const zones = useSlice(situation, (now) => now.zones);
  const ground = useMemo(() => groundOf(devices, zones), [devices, zones]);
  const values = useSlice(situation, (now) => now.values);
  const now = useHubNow();
  const measured = (alarm: Alarm) => currentOf(alarm, values, now);
  // Drawn anew when a value grows old, not with every second: a map at rest stays at rest.
  const old = [...alarms.values()].filter((alarm) => measured(alarm).old).map((alarm) => alarm.id).join();
  return useMemo(() => {
    const value = (alarm: Alarm): string => {
      const current = measured(alarm);
      return (words.stateOf(alarm.metric, current.value) ?? quantityText(current.value, alarm.unit, lang)) + (current.old ? ` (${words.alarm.old})` : "");
    };
    return sceneOf(ground, alarms, lettered, selected, { title: (alarm) => titleOf(alarm, words), value, exercise: words.exercise });
  }, [ground, alarms, values, old, lettered, selected, lang]);
}
