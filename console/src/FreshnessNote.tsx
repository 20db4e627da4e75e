// Tells how old the page is, and says it loudly when the line or the hub has gone quiet.
import { freshness, type Freshness } from "./freshness";
import { agoText, sinceText, clockText } from "./moments";
import { useNow } from "./now";
import { situation } from "./situation";
import { useSlice } from "./store";
import { useWords } from "./words";

export function useFreshness(now: number): Freshness {
  const since = useSlice(situation, (state) => state.since);
  const heardAt = useSlice(situation, (state) => state.heardAt);
  const link = useSlice(situation, (state) => state.link);
  const status = useSlice(situation, (state) => state.status);
  const statusAt = useSlice(situation, (state) => state.statusAt);
  return freshness({ since, heardAt, link, status, statusAt }, now);
}

export function FreshnessNote() {
  const { words, lang } = useWords();
  const now = useNow();
  const fresh = useFreshness(now);
  if (fresh.kind === "starting") return <p class="freshness">{words.fresh.starting}</p>;
  if (fresh.kind === "live") {
    return (
      <p class="freshness">
        <span>{fresh.quiet && fresh.age !== null ? words.fresh.hubAlive(agoText(fresh.age * 1000, lang)) : words.fresh.live}</span>
        {fresh.age !== null && <span class="note">{fresh.newest === null ? words.fresh.noReading : words.fresh.newest(agoText(fresh.newest * 1000, lang))}</span>}
      </p>
    );
  }
  const sameDay = fresh.since !== null && new Date(fresh.since).toDateString() === new Date(now).toDateString();
  const time = fresh.since === null ? null : sameDay ? clockText(fresh.since) : sinceText(fresh.since, now, lang);
  return (
    <p class="freshness broken" role="alert">
      <strong>{time === null ? words.fresh.noDataYet : words.fresh.noDataSince(time)}</strong>
      <span>{words.fresh[fresh.cause]}</span>
    </p>
  );
}
