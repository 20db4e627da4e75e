// The alarm load as bars with its target line: operators can prove overload, managers can tune rules.
import { loadOf, TARGET } from "./load";
import { minuteText } from "./moments";
import { situation } from "./situation";
import { useSlice } from "./store";
import { useWords } from "./words";

const SPAN_MS = 600_000;
const STEP = 25;
const HEIGHT = 100;

export function LoadBars() {
  const { words } = useWords();
  const spans = useSlice(situation, (now) => now.load);
  const { current, peak } = loadOf(spans) ?? { current: null, peak: 0 };
  const top = Math.max(4, 2 * TARGET, ...spans.map((span) => span.raised + span.exercise));
  const y = (n: number) => (n / top) * HEIGHT;
  return (
    <div class="cell load">
      <p class="cell-head"><span>{words.load.title}</span><span class="note">{words.load.target}</span></p>
      <p class="cell-main">
        <b class="value">{current ? current.raised : "–"}</b>
        {current && current.exercise > 0 && <span class="exercise-count">{words.exerciseCount(current.exercise)}</span>}
        {current && <span class="note">{words.load.peak(peak)}</span>}
      </p>
      <svg viewBox={`0 0 ${Math.max(1, spans.length) * STEP} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words.load.label(current?.raised ?? 0, peak)}>
        {spans.map(({ raised, exercise }, index) => (
          <g key={index} class={raised > TARGET ? "over-target" : ""}>
            {raised > 0 && <rect class="real" x={index * STEP + 3} width={STEP - 6} y={HEIGHT - y(raised)} height={y(raised)} />}
            {exercise > 0 && <rect class="practice" x={index * STEP + 4} width={STEP - 8} y={HEIGHT - y(raised + exercise) + 1} height={y(exercise) - 1} />}
            {raised + exercise === 0 && <rect class="real" x={index * STEP + 3} width={STEP - 6} y={HEIGHT - 2} height="2" />}
          </g>
        ))}
        <path class="target" d={`M0 ${HEIGHT - y(TARGET)}H${spans.length * STEP}`} />
      </svg>
      <p class="axis">{[spans[0], spans[spans.length / 2], current].map((span) => span && <span>{minuteText(Date.parse(span.time) + (span === current ? SPAN_MS : 0))}</span>)}</p>
    </div>
  );
}
