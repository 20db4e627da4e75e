// Devices whose card nobody has signed yet, to be opened.
import { useState } from "preact/hooks";
import { agoText } from "../moments";
import { useHubNow } from "../useCurrent";
import { readWaiting } from "./api";
import { Banner } from "./Banner";
import { usePolled } from "./poll";
import { useConnectWords } from "./words";

const EVERY_MS = 15_000;
const AT_FIRST = 3;
const MORE = 20;

export function Waiting() {
  const { said, lang } = useConnectWords();
  const { value, heardAt, error, again } = usePolled("waiting", readWaiting, EVERY_MS);
  const [sought, setSought] = useState("");
  const [most, setMost] = useState(AT_FIRST);
  const now = useHubNow();
  const text = sought.trim().toLowerCase();
  const found = (value ?? []).filter((one) => `${one.id} ${one.name ?? ""}`.toLowerCase().includes(text));
  return (
    <section class="panel" aria-labelledby="waiting-title">
      <h3 id="waiting-title">{said.waiting.title}{value && ` · ${value.length}`}</h3>
      <Banner error={error} since={heardAt} again={again} what={said.waiting.failed} />
      {value === null && error === undefined && <p class="note">{said.waiting.loading}</p>}
      {value?.length === 0 && <p class="note">{said.waiting.none}</p>}
      {value && value.length > AT_FIRST && (
        <label class="field"><span>{said.waiting.find}</span><input type="search" autocapitalize="none" value={sought} onInput={(event) => setSought(event.currentTarget.value)} /></label>
      )}
      {value && value.length > 0 && found.length === 0 && <p class="note">{said.waiting.noneFound}</p>}
      <ul class="waiting-list">
        {found.slice(0, most).map((one) => (
          <li key={one.id}>
            <a href={`#connect/${one.id}`}>
              <b><bdi>{one.id}</bdi></b>
              <span>{one.name !== null && one.name !== one.id && <bdi>{one.name} · </bdi>}{one.profile}</span>
              <span class="note">{said.waiting.states[one.state] ?? one.state} · {one.last_at === null ? said.waiting.never : said.waiting.heard(agoText(now - Date.parse(one.last_at), lang))}</span>
            </a>
          </li>
        ))}
      </ul>
      {found.length > most && <button type="button" onClick={() => setMost(most + MORE)}>{said.waiting.more(Math.min(found.length - most, MORE))}</button>}
    </section>
  );
}
