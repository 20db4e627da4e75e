// The newest reading of each metric with its flag and age, and what the hub refused, why, and what to do about it.
import { agoText } from "../moments";
import { quantityText } from "../quantities";
import { useHubNow } from "../useCurrent";
import { useWords } from "../words";
import type { Onboarding } from "./contract";
import { useConnectWords } from "./words";

export function Readings({ latest }: { latest: Onboarding["latest"] }) {
  const { words } = useWords();
  const { said, lang } = useConnectWords();
  const now = useHubNow();
  const sorted = [...latest].sort((a, b) => (a.metric < b.metric ? -1 : 1));
  const age = (time: string) => {
    const ms = now - Date.parse(time);
    return ms < -2_000 ? said.readings.ahead(agoText(-ms, lang)) : said.readings.ago(agoText(ms, lang));
  };
  return (
    <section class="panel" aria-labelledby="readings-title">
      <h3 id="readings-title">{said.readings.title}</h3>
      {sorted.length === 0 && <p class="note">{said.readings.none}</p>}
      <ul class="readings">
        {sorted.map(({ metric, unit, time, value, flag }) => (
          <li key={metric} data-metric={metric} data-flag={flag}>
            <span class="metric">{words.metric(metric)}</span>
            <b class="value">{words.stateOf(metric, value) ?? quantityText(value, unit, lang)}</b>
            <span class="note">{said.readings.flags[flag] && <span class="flag">{said.readings.flags[flag]}</span>} {age(time)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function RefusedList({ refused }: { refused: Onboarding["refused"] }) {
  const { said, lang } = useConnectWords();
  const now = useHubNow();
  return (
    <section class="panel refused" aria-labelledby="refused-title">
      <h3 id="refused-title">{said.refused.title}</h3>
      <ul>
        {refused.map(({ reason, detail, times, at }) => (
          <li key={`${reason} ${detail}`}>
            <p><b>{said.refused.names[reason] ?? reason}</b> <span class="note">{said.refused.times(times)} · {said.readings.ago(agoText(Math.max(0, now - Date.parse(at)), lang))}</span></p>
            <p class="detail" lang="en"><bdi>{detail}</bdi></p>
            {said.refused.next[reason] && <p>{said.steps.now} {said.refused.next[reason]}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}
