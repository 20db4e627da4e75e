// The time and the day, and the zone that all times of the page are of.
import { clockText, dayText, weekdayText, zoneText } from "./moments";
import { useNow } from "./now";
import { useWords } from "./words";

export function Clock() {
  const { lang } = useWords();
  const now = useNow();
  return (
    <p class="clock">
      <time dateTime={new Date(now).toISOString()}>{clockText(now)}</time>
      <span class="note">{lang === "zh" ? `${dayText(now, lang)} ${weekdayText(now, lang)}` : `${weekdayText(now, lang)} ${dayText(now, lang)}`} {zoneText(now)}</span>
    </p>
  );
}
