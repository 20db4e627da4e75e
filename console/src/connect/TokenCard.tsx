// The token of a device: as a code to scan and a line to run, with the time that is left; shown once, never stored.
import { useEffect, useState } from "preact/hooks";
import { clockText, spanText } from "../moments";
import { sentence } from "../troubles";
import { useHubNow } from "../useCurrent";
import { useWords } from "../words";
import { invite } from "./api";
import type { Invitation, Onboarding } from "./contract";
import { signedOut } from "./poll";
import { useConnectWords } from "./words";

interface TokenCardProps {
  device: string;
  progress: Onboarding;
  gateway: string | null;
  /** Whether the registry has answered yet: before, nothing is known of a gateway. */
  known: boolean;
  invitation: Invitation | null;
  setInvitation(fresh: Invitation | null): void;
}

export function TokenCard({ device, progress, gateway, known, invitation, setInvitation }: TokenCardProps) {
  const { words } = useWords();
  const { said, lang } = useConnectWords();
  const now = useHubNow();
  const [busy, setBusy] = useState(false);
  /** When the credential was got that the device had as the token was made. */
  const [before, setBefore] = useState<string | null>(null);
  const [trouble, setTrouble] = useState<unknown>(undefined);
  const enrolled = progress.steps.find(({ name }) => name === "enrolled");
  const used = invitation !== null && enrolled !== undefined && enrolled.at !== before;
  // What was used is of no more use, not even in memory.
  useEffect(() => {
    if (used) setInvitation(null);
  }, [used]);

  async function make(): Promise<void> {
    if (busy) return;
    setBusy(true);
    setTrouble(undefined);
    try {
      const fresh = await invite(device);
      setBefore(enrolled?.at ?? null);
      setInvitation(fresh);
    } catch (error) {
      if (!signedOut(error)) setTrouble(error);
    }
    setBusy(false);
  }

  const left = invitation === null ? 0 : Date.parse(invitation.expires_at) - now;
  const shown = invitation !== null && !used && left > 0;
  const button = (text: string, main: boolean) => (
    <button type="button" class={main ? "primary wide" : "wide"} aria-disabled={busy} onClick={() => void make()}>{busy ? said.token.making : text}</button>
  );
  const failed = <p class="outcome" role="alert">{trouble !== undefined && `${said.token.failed} ${sentence(trouble, words)}`}</p>;
  if (!known) return null;
  if (gateway !== null) return <section class="panel"><p>{said.token.through(gateway)}</p></section>;
  if (!shown && enrolled?.done) {
    return (
      <details class="panel">
        <summary>{said.token.has(enrolled.at === null ? "–" : clockText(Date.parse(enrolled.at)))}</summary>
        <p class="note">{said.token.replaceNote}</p>
        {button(said.token.replace, false)}
        {failed}
      </details>
    );
  }
  return (
    <section class="panel token" aria-labelledby="token-title">
      <h3 id="token-title">{said.token.title}</h3>
      {shown ? (
        <>
          <p>{said.token.how}</p>
          <img class="qr" src={invitation.qr} alt={said.token.qr(device)} />
          <p class="left" role="timer" aria-live="off">{said.token.left(spanText(left, lang))}</p>
          <Command link={invitation.link} />
          {button(said.token.freshInstead, false)}
        </>
      ) : (
        <>
          <p>{invitation !== null && <b>{said.token.over} </b>}<span class="note">{said.token.gone}</span></p>
          {button(said.token.fresh, true)}
        </>
      )}
      {failed}
    </section>
  );
}

function Command({ link }: { link: string }) {
  const { said } = useConnectWords();
  const [copied, setCopied] = useState(false);
  const text = `cityhub edge enrol '${link}'`;
  // Over plain http a browser has no clipboard for pages.
  const clipboard: Clipboard | undefined = navigator.clipboard;
  async function copy(): Promise<void> {
    try {
      await clipboard?.writeText(text);
      setCopied(true);
    } catch {
      setCopied(false);
    }
  }
  return (
    <div class="command">
      <p class="note">{said.token.command}</p>
      <code tabIndex={0}>{text}</code>
      {clipboard ? <button type="button" onClick={() => void copy()}><span role="status">{copied ? said.token.copied : said.token.copy}</span></button> : <p class="note">{said.token.select}</p>}
    </div>
  );
}
