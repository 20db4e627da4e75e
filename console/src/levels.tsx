// The four levels as people tell them apart: shape, digit and colour together, and fill for who has it. One source for page and map.
import { digitOf, type AlarmLevel, type Hold } from "./alarms";

export interface Shape {
  /** In a square of 100 by 100. */
  path: string;
  /** Middle of the digit, and its height. */
  digitY: number;
  digitSize: number;
}

export const SHAPES: Record<AlarmLevel, Shape> = {
  4: { path: "M30 4H70L96 30V70L70 96H30L4 70V30Z", digitY: 51, digitSize: 58 },
  3: { path: "M50 6L97 92H3Z", digitY: 66, digitSize: 46 },
  2: { path: "M50 3L97 50L50 97L3 50Z", digitY: 51, digitSize: 46 },
  1: { path: "M5 50A45 45 0 1 0 95 50A45 45 0 1 0 5 50Z", digitY: 51, digitSize: 54 },
};

/** Fixed by the national four-colour scale; contrast against the panel measured at 5.3, 7.8, 12.4 and 6.6. */
export const COLOURS: Record<AlarmLevel, string> = { 4: "#ff5b54", 3: "#ff9d35", 2: "#ffe04d", 1: "#58a9ff" };
export const DARK = "#14191d";

/** Corner brackets round the mark: this is an exercise. */
export const EXERCISE_FRAME = "M-12 12V-12H12M88 -12H112V12M112 88V112H88M12 112H-12V88";

export const DASH = [13, 11];
export const OUTLINE = 9;

interface MarkProps {
  level: AlarmLevel;
  hold: Hold;
  exercise?: boolean;
  /** For use inside another drawing. */
  bare?: boolean;
}

/** Says nothing to a screen reader: the words beside it do. */
export function Mark({ level, hold, exercise = false, bare = false }: MarkProps) {
  const shape = SHAPES[level];
  const drawing = (
    <g class={`mark-shape level-${level} ${hold}`}>
      <path class="mark-body" d={shape.path} transform={hold === "untaken" ? undefined : "translate(5 5) scale(.9)"} />
      <text x="50" y={shape.digitY} font-size={shape.digitSize} text-anchor="middle" dominant-baseline="central">
        {digitOf(level)}
      </text>
      {exercise && <path class="mark-exercise" d={EXERCISE_FRAME} />}
    </g>
  );
  if (bare) return drawing;
  return (
    <svg class={exercise ? "mark framed" : "mark"} viewBox={exercise ? "-16 -16 132 132" : "0 0 100 100"} aria-hidden="true">
      {drawing}
    </svg>
  );
}
