// How far a device is, step by step with times, and what to do next. White and grey: a step is no level.
import { clockText, sinceText } from "../moments";
import { useNow } from "../now";
import { useWords } from "../words";
import type { Onboarding } from "./contract";
import { chinese } from "./told";
import { useConnectWords } from "./words";

export function Steps({ progress }: { progress: Onboarding }) {
  const { words } = useWords();
  const { said, lang } = useConnectWords();
  const now = useNow();
  const next = progress.steps.findIndex(({ done }) => !done);
  const time = (at: string) => {
    const moment = Date.parse(at);
    return new Date(moment).toDateString() === new Date(now).toDateString() ? clockText(moment) : sinceText(moment, now, lang);
  };
  return (
    <section class="panel" aria-labelledby="steps-title">
      <h3 id="steps-title" class="for-ears">{said.steps.title}</h3>
      <ol class="steps">
        {progress.steps.map(({ name, done, at }, place) => {
          const state = done ? "done" : place === next ? "next" : "later";
          return (
            <li key={name} class={`step ${state}`} data-step={name} data-done={done} aria-current={state === "next" ? "step" : undefined}>
              <svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="11" />{done ? <path d="M6 13l4 4L18 8" /> : <text x="12" y="12.5" text-anchor="middle" dominant-baseline="central">{place + 1}</text>}</svg>
              <span class="step-name">{said.steps.names[name]}</span>
              <span class="step-time">{at === null ? <span class="for-ears">{said.steps[state]}</span> : <><span class="for-ears">{said.steps.done} </span><time dateTime={at}>{time(at)}</time></>}</span>
            </li>
          );
        })}
      </ol>
      {progress.state !== "accepted" && (
        <p class="advice" role="status"><b>{said.steps.now}</b> {lang === "zh" ? chinese(progress.advice, words.metric) : progress.advice}</p>
      )}
    </section>
  );
}
