// What the marks mean.
import { digitOf, LEVELS } from "./alarms";
import { Mark } from "./levels";
import { useWords } from "./words";

export function Legend() {
  const { words } = useWords();
  return (
    <ul class="legend">
      {LEVELS.map((level) => <li key={level}><Mark level={level} hold="untaken" /><span class="for-ears">{digitOf(level)}</span>{words.levels[level]}</li>)}
      <li><Mark level={3} hold="taken" />{words.map.legendTaken}</li>
      <li><Mark level={2} hold="over" />{words.map.legendOver}</li>
      <li><Mark level={1} hold="untaken" exercise />{words.exercise}</li>
      <li><span class="dot" />{words.map.legendNormal}</li>
    </ul>
  );
}
