// One device on its way: how far it is, its token, its first readings, its card, and the signature.
import { useState } from "preact/hooks";
import { Refusal, Unreachable } from "../api";
import type { Session } from "../contract";
import { measure, readDevice, readProgress } from "./api";
import { Banner } from "./Banner";
import { CardView } from "./CardView";
import type { Invitation, SignedCard } from "./contract";
import { PhotoTaker } from "./PhotoTaker";
import { usePolled } from "./poll";
import { Readings, RefusedList } from "./Readings";
import { SignOff, Signed } from "./SignOff";
import { Steps } from "./Steps";
import { TokenCard } from "./TokenCard";
import { useSpot } from "./useSpot";
import { useConnectWords } from "./words";

const WATCH_EVERY_MS = 1_000;
const MEASURE_EVERY_MS = 10_000;
const DEVICE_EVERY_MS = 60_000;

interface DevicePageProps {
  device: string;
  session: Session;
  invitation: Invitation | null;
  setInvitation(fresh: Invitation | null): void;
}

export function DevicePage({ device, session, invitation, setInvitation }: DevicePageProps) {
  const { said } = useConnectWords();
  const watched = usePolled(`watch ${device}`, () => readProgress(device), WATCH_EVERY_MS);
  const known = usePolled(`device ${device}`, () => readDevice(device), DEVICE_EVERY_MS);
  const standing = useSpot();
  const [sent, setSent] = useState(0);
  const [fresh, setFresh] = useState<SignedCard | null>(null);
  const [signing, setSigning] = useState(false);
  const progress = watched.value;
  const came = progress?.steps.some(({ name, done }) => name === "reading" && done) ?? false;
  const accepted = progress?.steps.some(({ name, done }) => name === "accepted" && done) ?? false;
  // A new position, a new photo, a new signature: measured at once.
  const occasion = `${device} ${standing.spot?.lon} ${standing.spot?.lat} ${sent} ${fresh?.id}`;
  const measured = usePolled(came || accepted ? occasion : null, () => measure(device, standing.spot), MEASURE_EVERY_MS);
  const last = measured.value?.signed ?? null;
  const signed = last !== null && (fresh === null || last.id >= fresh.id) ? last : fresh;
  const missing = [watched.error, known.error].some((error) => error instanceof Refusal && error.status === 404);
  if (missing) return <p class="connect-note" role="alert">{said.noSuch(device)}</p>;
  const lost = watched.error !== undefined;
  return (
    <div class={lost ? "connect-device stale" : "connect-device"} data-state={progress?.state ?? "asking"} data-lost={lost}>
      <p class="which">
        <b><bdi>{device}</bdi></b>
        {known.value && <span class="note">{known.value.name !== device && <><bdi>{known.value.name}</bdi> · </>}{known.value.profile} · {known.value.department}</span>}
      </p>
      <Banner error={watched.error} since={watched.heardAt} again={watched.again} />
      <div class="connect-columns">
        <div class="column">
          {progress && <Steps progress={progress} />}
          {signed && <Signed device={device} card={signed} />}
          {progress && (
            <TokenCard device={device} progress={progress} gateway={known.value?.gateway ?? null} known={known.value !== null} invitation={invitation} setInvitation={setInvitation} />
          )}
          {progress && progress.refused.length > 0 && <RefusedList refused={progress.refused} />}
          {progress && <Readings latest={progress.latest} />}
        </div>
        <div class="column">
          <section class="panel card-panel" aria-labelledby="card-title">
            <h3 id="card-title">{signed === null ? said.card.title : said.card.now}</h3>
            {!came && !accepted && <p class="note">{said.card.before}</p>}
            <PhotoTaker device={device} kept={measured.value?.now.photo ?? null} sent={() => setSent((n) => n + 1)} />
            <div class="compare">
              <button type="button" class="wide" aria-disabled={standing.finding} onClick={() => void standing.find()}>
                {standing.finding ? said.form.finding : standing.spot ? said.card.compareAgain : said.card.compare}
              </button>
              <p class={standing.why === null ? "note" : "fault"} role="status">
                {standing.why !== null ? said.noSpot[standing.why] : standing.spot ? said.card.stood(standing.spot.accuracy) : ""}
              </p>
            </div>
            {(came || accepted) && measured.value === null && measured.error === undefined && <p class="note" role="status">{said.card.measuring}</p>}
            {/* A lost line is told once, above. */}
            {!(measured.error instanceof Unreachable) && <Banner error={measured.error} since={null} again={measured.again} what={said.card.failed} />}
            {measured.value && <CardView card={measured.value.now} old={measured.error !== undefined} />}
          </section>
          {measured.value && (signed === null || signing) && (
            <SignOff
              device={device}
              session={session}
              card={measured.value.now}
              spot={standing.spot}
              done={(card) => {
                setFresh(card);
                setSigning(false);
                watched.again();
              }}
              unsure={measured.again}
            />
          )}
          {signed !== null && !signing && measured.value && <button type="button" class="wide" onClick={() => setSigning(true)}>{said.sign.again}</button>}
        </div>
      </div>
    </div>
  );
}
