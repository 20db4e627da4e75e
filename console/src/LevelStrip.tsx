// Open alarms per level, always in sight: shape, colour, digit, count, and how many nobody has taken.
import { countByLevel, digitOf, LEVELS } from "./alarms";
import { Mark } from "./levels";
import { situation } from "./situation";
import { useSlice } from "./store";
import { useWords } from "./words";

export function LevelStrip() {
  const { words } = useWords();
  const alarms = useSlice(situation, (now) => now.alarms);
  const loaded = useSlice(situation, (now) => now.alarmsLoaded);
  const counts = countByLevel(alarms.values());
  const exercises = LEVELS.reduce((sum, level) => sum + counts[level].exercise, 0);
  return (
    <ul class="level-strip" aria-label={words.levelStrip}>
      {LEVELS.map((level) => {
        const { open, untaken } = counts[level];
        return (
          <li key={level} class={open === 0 ? "none" : ""}>
            <Mark level={level} hold={open > 0 && untaken === 0 ? "taken" : "untaken"} />
            <strong class="value">{loaded ? open : "–"}</strong>
            <span class="notes">
              <span class="level-name"><span class="for-ears">{digitOf(level)} </span>{words.levels[level]}</span>
              {loaded && open > 0 && <span class="untaken-count">{words.untakenCount(untaken)}</span>}
            </span>
          </li>
        );
      })}
      {exercises > 0 && <li class="exercises"><span class="exercise-count">{words.exerciseCount(exercises)}</span></li>}
    </ul>
  );
}
