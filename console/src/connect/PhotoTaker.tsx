// Takes the picture of the mounted device, shows it, makes it small and sends it, again and again where there is no network.
import { useEffect, useRef, useState } from "preact/hooks";
import { Unreachable } from "../api";
import { sentence } from "../troubles";
import { useWords } from "../words";
import { photoAt, photograph } from "./api";
import { smaller } from "./picture";
import { signedOut } from "./poll";
import { useConnectWords } from "./words";

const AGAIN_MS = 5_000;

type State = "none" | "preparing" | "sending" | "sent" | "waiting" | "bad" | { error: unknown };

export function PhotoTaker({ device, kept, sent }: { device: string; kept: number | null; sent(): void }) {
  const { words } = useWords();
  const { said } = useConnectWords();
  const [state, setState] = useState<State>("none");
  const [shown, setShown] = useState<string | null>(null);
  const turn = useRef(0);
  useEffect(() => () => {
    turn.current += 1;
  }, []);
  useEffect(() => () => {
    if (shown !== null) URL.revokeObjectURL(shown);
  }, [shown]);

  async function take(input: HTMLInputElement): Promise<void> {
    const file = input.files?.[0];
    input.value = "";
    if (!file) return;
    const mine = (turn.current += 1);
    setState("preparing");
    let picture: Blob;
    try {
      picture = await smaller(file);
    } catch {
      if (mine === turn.current) setState("bad");
      return;
    }
    if (mine !== turn.current) return;
    setShown(URL.createObjectURL(picture));
    setState("sending");
    while (mine === turn.current) {
      try {
        await photograph(device, picture);
        if (mine !== turn.current) return;
        setState("sent");
        return sent();
      } catch (error) {
        if (mine !== turn.current || signedOut(error)) return;
        if (!(error instanceof Unreachable)) return setState({ error });
        setState("waiting");
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    }
  }

  const told = typeof state === "object" ? `${said.photo.failed} ${sentence(state.error, words)}` : state === "none" ? "" : said.photo[state];
  const picture = shown ?? (kept === null ? null : photoAt(device, kept));
  return (
    <div class="photo" data-photo={typeof state === "object" ? "failed" : state}>
      {picture !== null && <img src={picture} alt={shown !== null ? said.photo.yours : said.photo.kept} />}
      <label class="button wide">
        <input class="for-ears" type="file" accept="image/*" capture="environment" onChange={(event) => void take(event.currentTarget)} />
        {picture === null ? said.photo.take : said.photo.again}
      </label>
      <p role="status" class={state === "sent" || state === "none" ? "note" : ""}>{told}</p>
    </div>
  );
}
