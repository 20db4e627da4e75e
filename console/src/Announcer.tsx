// Tells screen readers of new alarms, and the tab's title how many nobody has taken.
import { useEffect } from "preact/hooks";
import { countByLevel, deviceOf, digitOf, LEVELS, shownLevel, titleOf } from "./alarms";
import { quantityText } from "./quantities";
import { situation } from "./situation";
import { useSlice } from "./store";
import { useWords } from "./words";

export function Announcer() {
  const { words, lang } = useWords();
  const arrived = useSlice(situation, (now) => now.arrived);
  const alarms = useSlice(situation, (now) => now.alarms);
  const counts = countByLevel(alarms.values());
  const untaken = LEVELS.reduce((sum, level) => sum + counts[level].untaken, 0);
  useEffect(() => {
    document.title = untaken > 0 ? `(${untaken}) CityHub` : "CityHub";
  }, [untaken]);
  const urgent = arrived.some((alarm) => shownLevel(alarm) >= 3 && !alarm.exercise);
  const said = arrived.map((alarm) => {
    const level = shownLevel(alarm);
    const text = words.alarm.arrived(words.level(digitOf(level), words.levels[level]), `${titleOf(alarm, words)}, ${deviceOf(alarm)}`, words.stateOf(alarm.metric, alarm.value) ?? quantityText(alarm.value, alarm.unit, lang));
    return alarm.exercise ? `${words.exercise}. ${text}` : text;
  });
  return (
    <>
      <div class="for-ears" aria-live="assertive">{urgent ? said.join(". ") : ""}</div>
      <div class="for-ears" aria-live="polite">{urgent ? "" : said.join(". ")}</div>
    </>
  );
}
