// The last two hours of the selected alarm's series, with its limit line and its doubtful values.
import { useEffect, useState } from "preact/hooks";
import { readHistory } from "./api";
import { deviceOf, reasonOf, titleOf } from "./alarms";
import type { Alarm, Bucket } from "./contract";
import { curveOf } from "./curve";
import { agoText, minuteText } from "./moments";
import { quantityText } from "./quantities";
import { sentence } from "./troubles";
import { useWords } from "./words";

const SPAN_MS = 2 * 3_600_000;
const LEAST_MS = SPAN_MS / 12;
const BUCKET_S = 15;
const AGAIN_MS = 30_000;
const WIDTH = 600;
const HEIGHT = 100;

type Loaded = { of: string; buckets: Bucket[]; to: number } | { of: string; error: unknown };

/** A young series fills its picture: what lies before its first value is not drawn. */
function fromOf({ buckets, to }: { buckets: Bucket[]; to: number }): number {
  const first = Date.parse(buckets[0]?.time ?? "") || 0;
  return Math.max(to - SPAN_MS, Math.min(first, to - LEAST_MS));
}

/** An alarm of a recording may lie in the past: then the picture ends a little after its last step. */
function endOf(alarm: Alarm): number {
  const now = Date.now();
  const last = Date.parse(alarm.returned_at ?? alarm.changed_at);
  return alarm.exercise && now - last > SPAN_MS ? last + SPAN_MS / 8 : now;
}

function useHistory(alarm: Alarm): Loaded | null {
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  useEffect(() => {
    let gone = false;
    const load = async () => {
      try {
        const to = endOf(alarm);
        const buckets = await readHistory(alarm.series, new Date(to - SPAN_MS), new Date(to), BUCKET_S);
        if (!gone) setLoaded({ of: alarm.id, buckets, to });
      } catch (error) {
        if (!gone) setLoaded({ of: alarm.id, error });
      }
    };
    void load();
    const timer = setInterval(load, AGAIN_MS);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [alarm.id, alarm.changed_at]);
  return loaded?.of === alarm.id ? loaded : null;
}

export function History({ alarm }: { alarm: Alarm }) {
  const { words, lang } = useWords();
  const loaded = useHistory(alarm);
  const limit = alarm.threshold === null ? null : quantityText(alarm.threshold, alarm.unit, lang);
  const what = `${titleOf(alarm, words)} · ${deviceOf(alarm)}`;
  const why = reasonOf(alarm, words);
  return (
    <div class="history">
      <p class="cell-head"><bdi class="history-what">{what}</bdi><span class="note">{loaded && "buckets" in loaded && words.history.last(agoText(loaded.to - fromOf(loaded), lang))}</span></p>
      {why && <p class="history-why"><bdi title={why}>{why}</bdi></p>}
      <div class="history-picture">{picture()}</div>
    </div>
  );

  function picture() {
    if (loaded === null) return <p class="note">{words.history.loading}</p>;
    if ("error" in loaded) return <p class="note" role="alert">{words.troubles.doing.history}: {sentence(loaded.error, words)}</p>;
    const frame = { width: WIDTH, height: HEIGHT, from: fromOf(loaded), to: loaded.to, bucketMs: Math.max(BUCKET_S, alarm.interval_s ?? 0) * 1000 };
    const curve = curveOf(loaded.buckets, alarm.threshold, frame);
    if (!curve) return <p class="note">{words.history.none}</p>;
    const now = quantityText(curve.last?.value ?? null, alarm.unit, lang);
    const place = curve.limitY === null ? "" : curve.limitY < HEIGHT / 2 ? "limit-high" : "limit-low";
    return (
      <>
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words.history.label(what, now, limit ?? "–")}>
          <path class="band" d={curve.band} />
          <path class="curve" d={curve.line} />
          {curve.limitY !== null && <path class="limit-line" d={`M0 ${curve.limitY}H${WIDTH}`} />}
          {curve.doubtful.map(({ x, y }) => <path key={x} class="doubtful" d={`M${x} ${y}h.1`} />)}
          {curve.last && <path class="last" d={`M${curve.last.x} ${curve.last.y}h.1`} />}
        </svg>
        <p class={`axis ${place}`}>
          <span>{minuteText(frame.from)}</span>
          {limit !== null && <span class="limit-word">┅ {words.alarm.limit} {limit}</span>}
          {curve.doubtful.length > 0 && <span class="note">{words.history.suspect(curve.doubtful.length)}</span>}
          <span>{minuteText(frame.to)}</span>
        </p>
      </>
    );
  }
}
