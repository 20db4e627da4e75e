// The signature in the name of who is signed in, and what is there afterwards: accepted, by whom, and the card as PDF.
import { useEffect, useState } from "preact/hooks";
import { Unreachable } from "../api";
import type { Session } from "../contract";
import { sinceText } from "../moments";
import { useNow } from "../now";
import { sentence } from "../troubles";
import { useWords } from "../words";
import { pdfAt, sign } from "./api";
import { VerdictMark } from "./CardView";
import type { Card, SignedCard, Spot } from "./contract";
import { forgetKept, keep, kept } from "./draft";
import { signedOut } from "./poll";
import { useConnectWords } from "./words";

interface SignOffProps {
  device: string;
  session: Session;
  card: Card;
  spot: Spot | null;
  done(card: SignedCard): void;
  unsure(): void;
}

export function SignOff({ device, session, card, spot, done, unsure }: SignOffProps) {
  const { words } = useWords();
  const { said } = useConnectWords();
  const what = `remark.${device}`;
  const [remark, setRemark] = useState(() => kept(what, session.name, { text: "" }).text);
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  const [trouble, setTrouble] = useState<unknown>(undefined);
  useEffect(() => keep(what, session.name, { text: remark }), [remark]);
  const needed = card.verdict === "fail" && remark.trim() === "";

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (busy) return;
    setTried(true);
    if (needed) return;
    setBusy(true);
    setTrouble(undefined);
    try {
      const signed = await sign(device, spot, remark);
      forgetKept(what);
      done(signed);
    } catch (error) {
      setBusy(false);
      if (signedOut(error)) return;
      setTrouble(error);
      // The signature may have arrived though its answer did not: the card as it is now tells.
      if (error instanceof Unreachable) unsure();
    }
  }

  return (
    <form class="panel sign-off" onSubmit={submit} noValidate aria-labelledby="sign-title">
      <h3 id="sign-title">{said.sign.title}</h3>
      <p><b>{said.sign.as(session.name, said.roles[session.role] ?? session.role)}</b></p>
      <p class="note">{said.sign.what}</p>
      <div class={tried && needed ? "field faulty" : "field"}>
        <label for="remark">{card.verdict === "fail" ? said.sign.remarkWanted : said.sign.remark}</label>
        <textarea id="remark" rows={2} maxLength={2000} value={remark} aria-invalid={tried && needed} aria-describedby="remark-about" onInput={(event) => setRemark(event.currentTarget.value)} />
        <p id="remark-about" class={tried && needed ? "fault" : "note"}>{card.verdict === "fail" ? said.sign.needed : ""}</p>
      </div>
      <p class="outcome" role="alert">{trouble === undefined ? "" : trouble instanceof Unreachable ? said.sign.unsure : `${said.sign.failed} ${sentence(trouble, words)}`}</p>
      <button type="submit" class="primary big" aria-disabled={busy}>{busy ? said.sign.going : said.sign.go}</button>
    </form>
  );
}

export function Signed({ device, card }: { device: string; card: SignedCard }) {
  const { said, lang } = useConnectWords();
  const now = useNow();
  return (
    <section class="panel signed" data-signed={card.id} aria-labelledby="signed-title">
      <h3 id="signed-title"><VerdictMark verdict="ok" /><span role="status">{said.sign.accepted}</span></h3>
      <p>{said.sign.by(card.signed_by, sinceText(Date.parse(card.signed_at), now, lang))}</p>
      {card.verdict !== "ok" && <p><VerdictMark verdict={card.verdict} /> {said.card.whole[card.verdict]}</p>}
      {card.remark && <p>{said.sign.said} <bdi>{card.remark}</bdi></p>}
      <a class="button wide" href={pdfAt(device)} download={`acceptance-${device}.pdf`}>{said.sign.pdf}</a>
    </section>
  );
}
