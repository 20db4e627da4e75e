// The acceptance card line by line: verdict, what was measured, its limit, and why. Shape and word say the verdict, no colour.
import { minuteText } from "../moments";
import { useWords } from "../words";
import type { Card, CardLine, Verdict } from "./contract";
import { chinese } from "./told";
import { useConnectWords } from "./words";

const SHAPES: Record<Verdict, string> = { ok: "M5 13l5 5L20 7", attention: "M12 4L22 21H2ZM12 10v5M12 18v.1", fail: "M4 4H20V20H4ZM8 8l8 8M16 8l-8 8" };

export function VerdictMark({ verdict }: { verdict: Verdict }) {
  return <svg class={`verdict ${verdict}`} viewBox="0 0 24 24" aria-hidden="true"><path d={SHAPES[verdict]} /></svg>;
}

/** What needs a hand comes first, the rest keeps the hub's order. */
function worstFirst(lines: CardLine[]): CardLine[] {
  const order: Verdict[] = ["fail", "attention", "ok"];
  return [...lines].sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict));
}

export function CardView({ card, old }: { card: Card; old: boolean }) {
  const { said } = useConnectWords();
  return (
    <div class={old ? "card-lines stale" : "card-lines"} data-verdict={card.verdict}>
      <p class={`whole ${card.verdict}`} role="status"><VerdictMark verdict={card.verdict} /><b>{said.card.whole[card.verdict]}</b></p>
      <p class="note">{said.card.span(minuteText(Date.parse(card.begins_at)), minuteText(Date.parse(card.ends_at)))}</p>
      <ul>{worstFirst(card.lines).map((line) => <Line key={line.what} line={line} />)}</ul>
    </div>
  );
}

function Line({ line }: { line: CardLine }) {
  const { words } = useWords();
  const { said, lang } = useConnectWords();
  const tell = (text: string) => (lang === "zh" ? chinese(text, words.metric) : text);
  const [kind = "", metric] = line.what.split(" ");
  return (
    <li class={line.verdict} data-line={line.what} data-verdict={line.verdict}>
      <VerdictMark verdict={line.verdict} />
      <div>
        <p class="line-what">
          <b>{said.card.names[kind] ?? line.what}{metric !== undefined && ` · ${words.metric(metric)}`}</b>
          <span class={line.verdict === "ok" ? "for-ears" : "line-verdict"}>{said.card.verdicts[line.verdict]}</span>
        </p>
        <p class="value">{tell(line.value)}</p>
        <p class="note">{said.card.limit} {tell(line.limit)}</p>
        {line.why && <p class="why">{tell(line.why)}</p>}
      </div>
    </li>
  );
}
