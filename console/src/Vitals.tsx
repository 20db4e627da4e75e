// The bottom strip: is it getting worse, and can the picture be trusted? Load, the selected value, offline devices, ledger, readings.
import type { Alarm } from "./contract";
import { History } from "./History";
import { LoadBars } from "./LoadBars";
import { numberText } from "./quantities";
import { situation } from "./situation";
import { useSlice } from "./store";
import { useWords } from "./words";

export function Vitals({ alarm }: { alarm: Alarm | null }) {
  const { words } = useWords();
  return (
    <footer class="vitals">
      <LoadBars />
      <div class="cell selected-value">{alarm ? <History alarm={alarm} /> : <p class="note">{words.history.noAlarm}</p>}</div>
      <Trust />
      <Path />
    </footer>
  );
}

/** Devices that are silent, and readings that cannot be accounted for. */
function Trust() {
  const { words, lang } = useWords();
  const status = useSlice(situation, (now) => now.status);
  const balance = status?.ledger_balance ?? null;
  return (
    <div class="cell trust">
      <p class="cell-head"><span>{words.vitals.offline}</span></p>
      <p class="cell-main">
        <b class="value">{status ? numberText(status.offline, lang) : "–"}</b>
        <span class="note">{status ? words.vitals.offlineOf(numberText(status.devices, lang)) : ""}</span>
      </p>
      <p class="cell-head second"><span>{words.vitals.ledger}</span></p>
      <p class={balance ? "ledger value unbalanced" : "ledger value"}>
        {balance === null ? "–" : balance === 0 ? words.vitals.balanced : words.vitals.unbalanced(numberText(Math.abs(balance), lang))}
      </p>
    </div>
  );
}

function Path() {
  const { words, lang } = useWords();
  const hub = useSlice(situation, (now) => now.status)?.hub;
  const count = (n: number | undefined) => (n === undefined ? "–" : numberText(n, lang));
  return (
    <div class="cell path">
      <p class="cell-head"><span>{words.vitals.path}</span></p>
      <dl>
        <div><dt>{words.vitals.rate}</dt><dd class="value">{hub?.readings_per_s === undefined ? "–" : numberText(hub.readings_per_s, lang) + words.vitals.perSecond}</dd></div>
        <div><dt>{words.vitals.stored}</dt><dd class="value">{count(hub?.stored)}</dd></div>
        <div><dt>{words.vitals.flagged}</dt><dd class="value">{count(hub?.flagged)}</dd></div>
        <div><dt>{words.vitals.late}</dt><dd class="value">{count(hub?.late)}</dd></div>
        <div><dt>{words.vitals.broker}</dt><dd class="value">{hub?.connected === undefined ? "–" : hub.connected ? words.vitals.connected : words.vitals.disconnected}</dd></div>
      </dl>
    </div>
  );
}
