// The time and the day.
import { clockText, dayText, weekdayText } from "./moments";
import { useNow } from "./now";
import { useWords } from "./words";

export function Clock() {
  const { lang } = useWords();
  const now = useNow();
  return (
    <p class="clock">
      <time dateTime={new Date(now).toISOString()}>{clockText(now)}</time>
      <span class="note">{lang === "zh" ? `${dayText(now, lang)} ${weekdayText(now, lang)}` : `${weekdayText(now, lang)} ${dayText(now, lang)}`}</span>
    </p>
  );
}
