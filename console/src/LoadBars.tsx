// The alarm load as bars with its target line: operators can prove overload, managers can tune rules.
import { loadOf, TARGET } from "./load";
import { minuteText } from "./moments";
import { useNow } from "./now";
import { LOAD_HOURS, situation } from "./situation";
import { useSlice } from "./store";
import { useWords } from "./words";

const BINS = LOAD_HOURS * 6;
const STEP = 25;
const HEIGHT = 100;

export function LoadBars() {
  const { words } = useWords();
  const raised = useSlice(situation, (now) => now.raised);
  const more = useSlice(situation, (now) => now.raisedMore);
  const now = Math.floor(useNow() / 10_000) * 10_000 + 10_000;
  const bins = loadOf(raised.values(), now, BINS);
  const peak = Math.max(...bins.map((bin) => bin.real + bin.exercise));
  const top = Math.max(4, peak, 2 * TARGET);
  const y = (n: number) => (n / top) * HEIGHT;
  const current = bins.at(-1)!;
  return (
    <div class="cell load">
      <p class="cell-head"><span>{words.load.title}</span><span class="note">{words.load.target}</span></p>
      <p class="cell-main">
        <b class="value">{current.real}</b>
        {current.exercise > 0 && <span class="exercise-count">{words.exerciseCount(current.exercise)}</span>}
        <span class="note">{words.load.peak(peak)}{more && ` · ${words.load.atLeast}`}</span>
      </p>
      <svg viewBox={`0 0 ${BINS * STEP} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words.load.label(current.real, peak)}>
        {bins.map((bin, index) => (
          <g key={bin.from} class={bin.real > TARGET ? "over-target" : ""}>
            {bin.real > 0 && <rect class="real" x={index * STEP + 3} width={STEP - 6} y={HEIGHT - y(bin.real)} height={y(bin.real)} />}
            {bin.exercise > 0 && <rect class="practice" x={index * STEP + 4} width={STEP - 8} y={HEIGHT - y(bin.real + bin.exercise) + 1} height={y(bin.exercise) - 1} />}
            {bin.real + bin.exercise === 0 && <rect class="real" x={index * STEP + 3} width={STEP - 6} y={HEIGHT - 2} height="2" />}
          </g>
        ))}
        <path class="target" d={`M0 ${HEIGHT - y(TARGET)}H${BINS * STEP}`} />
      </svg>
      <p class="axis"><span>{minuteText(bins[0]!.from)}</span><span>{minuteText(bins[BINS / 2]!.from)}</span><span>{minuteText(now)}</span></p>
    </div>
  );
}
