// "Connect a device": for engineers on a phone in the rain; first which device, then everything of that device.
import "../style/connect.css";
import { useEffect, useRef, useState } from "preact/hooks";
import { go } from "../route";
import { situation } from "../situation";
import { useSlice } from "../store";
import type { Invitation } from "./contract";
import { DevicePage } from "./DevicePage";
import { NewDevice } from "./NewDevice";
import { useConnectWords } from "./words";
import { Waiting } from "./Waiting";

const CONNECTORS = new Set(["engineer", "administrator"]);

export function Connect({ device }: { device: string | null }) {
  const { said } = useConnectWords();
  const session = useSlice(situation, (now) => now.session);
  // The token lives here and nowhere else: in memory, until the page is left.
  const [invitation, setInvitation] = useState<Invitation | null>(null);
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus({ preventScroll: true }), [device]);
  useEffect(() => title.current?.closest(".floor")?.scrollTo(0, 0), [device]);
  if (session === null || session === "asking") return null;
  if (!CONNECTORS.has(session.role)) {
    return <section class="connect"><h2>{said.title}</h2><p class="connect-note">{said.notYours(session.name, said.roles[session.role] ?? session.role)}</p></section>;
  }
  return (
    <section class="connect" aria-labelledby="connect-title">
      <header class="connect-head">
        <h2 id="connect-title" ref={title} tabIndex={-1}>{said.title}</h2>
        {device !== null && <a class="button" href="#connect">{said.other}</a>}
      </header>
      {device === null ? (
        <div class="connect-columns first">
          <Waiting />
          <NewDevice
            session={session}
            made={(fresh) => {
              setInvitation(fresh);
              go({ page: "connect", device: fresh.device });
            }}
          />
        </div>
      ) : (
        <DevicePage key={device} device={device} session={session} invitation={invitation?.device === device ? invitation : null} setInvitation={setInvitation} />
      )}
    </section>
  );
}
