// Where the device stands: from the phone, with its accuracy, or typed, with the datum it is in.
import { useId } from "preact/hooks";
import type { Datum } from "./contract";
import { pairOf, type Draft } from "./draft";
import { useSpot } from "./useSpot";
import { useConnectWords } from "./words";

export function PlaceFields({ draft, set, fault }: { draft: Draft; set(change: Partial<Draft>): void; fault: string | undefined }) {
  const { said } = useConnectWords();
  const id = useId();
  const standing = useSpot();
  async function here(): Promise<void> {
    const spot = await standing.find();
    if (spot) set({ lon: String(spot.lon), lat: String(spot.lat), accuracy: spot.accuracy, datum: "WGS84" });
  }
  const typed = (which: "lon" | "lat") => (event: { currentTarget: HTMLInputElement }) => {
    const pair = pairOf(event.currentTarget.value);
    set(pair ? { lon: pair[0], lat: pair[1], accuracy: null } : { [which]: event.currentTarget.value, accuracy: null });
  };
  const box = (which: "lon" | "lat") => (
    <label class="field" for={`${id}-${which}`}>
      <span>{said.form[which]}</span>
      <input id={`${id}-${which}`} inputMode="decimal" autocomplete="off" value={draft[which]} aria-invalid={fault !== undefined} aria-describedby={`${id}-about`} onInput={typed(which)} />
    </label>
  );
  return (
    <fieldset class={fault === undefined ? "place" : "place faulty"}>
      <legend>{said.form.place}</legend>
      <button type="button" class="wide" aria-disabled={standing.finding} onClick={() => void here()}>{standing.finding ? said.form.finding : said.form.here}</button>
      <div class="pair">{box("lon")}{box("lat")}</div>
      {draft.accuracy !== null ? (
        <p class="said">{said.form.fromPhone(draft.accuracy)}</p>
      ) : (
        <label class="field">
          <span>{said.form.datum}</span>
          <select value={draft.datum} onChange={(event) => set({ datum: event.currentTarget.value as Datum })}>
            {Object.entries(said.form.datums).map(([datum, name]) => <option key={datum} value={datum}>{name}</option>)}
          </select>
        </label>
      )}
      <p id={`${id}-about`} class={fault === undefined ? "note" : "fault"} role={fault === undefined && standing.why === null ? undefined : "alert"}>
        {fault ?? (standing.why !== null ? said.noSpot[standing.why] : draft.accuracy === null ? said.form.placeHint : "")}
      </p>
    </fieldset>
  );
}
