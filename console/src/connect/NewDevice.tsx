// The form of a new device: by its label or by hand; kept in this tab until it is registered.
import { useEffect, useRef, useState } from "preact/hooks";
import { Refusal, Unreachable } from "../api";
import type { Session } from "../contract";
import { sentence } from "../troubles";
import { useWords } from "../words";
import { readDepartments, readGateways, readLabel, readProfiles, register } from "./api";
import { Banner } from "./Banner";
import type { Invitation } from "./contract";
import { EMPTY, faultsOf, forgetKept, keep, kept, suggestedId, wantedOf, type Draft, type Fault } from "./draft";
import { Field } from "./Field";
import { LabelScan } from "./LabelScan";
import { PlaceFields } from "./PlaceFields";
import { signedOut, usePolled } from "./poll";
import { canScan } from "./scan";
import { useConnectWords } from "./words";

const LOOK_AFTER_MS = 400;
const LISTS_EVERY_MS = 60_000;
const DRAFT = "draft";

type Label = "none" | "looking" | "unknown" | { profile: string; serial: string };

const readLists = async () => {
  const [profiles, departments, gateways] = await Promise.all([readProfiles(), readDepartments(), readGateways()]);
  return { profiles: profiles.filter(({ id }) => id !== "hub"), departments: departments.filter(({ id }) => id !== "hub"), gateways };
};

export function NewDevice({ session, made }: { session: Session; made(fresh: Invitation): void }) {
  const { words } = useWords();
  const { said } = useConnectWords();
  const [draft, setDraft] = useState<Draft>(() => kept(DRAFT, session.name, { ...EMPTY, department: session.department ?? "" }));
  const [scanning, setScanning] = useState(false);
  const [scanFailed, setScanFailed] = useState(false);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>(undefined);
  const form = useRef<HTMLFormElement>(null);
  const lists = usePolled("lists", readLists, LISTS_EVERY_MS);
  const set = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }));
  useEffect(() => keep(DRAFT, session.name, draft), [draft]);

  const [label, lookAgain] = useLabel(draft.code, (found) =>
    setDraft((before) => ({ ...before, profile: found.profile, id: before.id || suggestedId(found.profile, found.serial) })));
  const faults = faultsOf(draft);
  const fault = (name: Fault) => (tried && faults.has(name) ? said.form.faults[name] : undefined);
  const departments = session.department === null ? (lists.value?.departments ?? []) : [{ id: session.department, name: session.department }];
  const kindNamed = (id: string) => lists.value?.profiles.find((one) => one.id === id)?.body.name ?? id;
  const named = lists.value?.departments.find(({ id }) => id === draft.department)?.name;

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (busy) return;
    setTried(true);
    if (faults.size > 0) {
      // The faults are marked by the next drawing; the first one is where the person goes on.
      setTimeout(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    setBusy(true);
    setTrouble(undefined);
    try {
      const fresh = await register(wantedOf(draft));
      forgetKept(DRAFT);
      made(fresh);
    } catch (error) {
      setBusy(false);
      if (!signedOut(error)) setTrouble(error);
    }
  }

  return (
    <form ref={form} class="panel new-device" onSubmit={submit} noValidate aria-labelledby="new-title">
      <h3 id="new-title">{said.form.title}</h3>
      <Banner error={lists.error} since={lists.heardAt} again={lists.again} />
      <Field label={said.form.code} hint={label === "none" ? said.form.codeHint : undefined}>
        {(id, about) => (
          <span class="with-button">
            <input id={id} aria-describedby={about} value={draft.code} maxLength={200} autocapitalize="none" autocomplete="off" spellcheck={false} onInput={(event) => set({ code: event.currentTarget.value })} />
            {canScan() && !scanning && <button type="button" onClick={() => setScanning(true)}>{said.form.scan}</button>}
          </span>
        )}
      </Field>
      {scanning && (
        <LabelScan
          seen={(code) => { setScanning(false); setScanFailed(false); set({ code: code.slice(0, 200) }); }}
          failed={() => { setScanning(false); setScanFailed(true); }}
          stop={() => setScanning(false)}
        />
      )}
      <p class="said" role="status">
        {scanFailed && `${said.form.scanFailed} `}
        {label === "looking" ? said.form.looking : label === "unknown" ? said.form.noLabel : label === "none" ? "" : said.form.labelled(kindNamed(label.profile), label.serial)}
      </p>
      {label === "looking" && lists.error !== undefined && <button type="button" onClick={lookAgain}>{said.tryAgain}</button>}
      <Field label={said.form.profile} fault={fault("profile")}>
        {(id, about, invalid) => (
          <select id={id} aria-describedby={about} aria-invalid={invalid} value={draft.profile} onChange={(event) => set({ profile: event.currentTarget.value })}>
            <option value="">{said.form.choose}</option>
            {options(draft.profile, lists.value?.profiles.map((one) => ({ id: one.id, name: one.body.name ?? one.id })))}
          </select>
        )}
      </Field>
      <Field label={said.form.id} hint={said.form.idHint} fault={fault("id")}>
        {(id, about, invalid) => <input id={id} aria-describedby={about} aria-invalid={invalid} value={draft.id} maxLength={64} autocapitalize="none" autocomplete="off" spellcheck={false} onInput={(event) => set({ id: event.currentTarget.value.trim().toLowerCase() })} />}
      </Field>
      <Field label={said.form.name} hint={said.form.nameHint}>
        {(id, about) => <input id={id} aria-describedby={about} value={draft.name} maxLength={128} autocomplete="off" onInput={(event) => set({ name: event.currentTarget.value })} />}
      </Field>
      <Field label={said.form.department} fault={fault("department")}>
        {(id, about, invalid) => session.department === null ? (
          <select id={id} aria-describedby={about} aria-invalid={invalid} value={draft.department} onChange={(event) => set({ department: event.currentTarget.value })}>
            <option value="">{said.form.choose}</option>
            {options(draft.department, departments)}
          </select>
        ) : <output id={id}>{named && named !== session.department ? `${named} (${session.department})` : session.department}</output>}
      </Field>
      <Field label={said.form.gateway} hint={said.form.noGateway}>
        {(id, about) => (
          <>
            {/* Typed too: a gateway may be another department's, which this account does not see. */}
            <input id={id} list={`${id}-list`} aria-describedby={about} value={draft.gateway} maxLength={64} autocapitalize="none" autocomplete="off" spellcheck={false} onInput={(event) => set({ gateway: event.currentTarget.value.trim().toLowerCase() })} />
            <datalist id={`${id}-list`}>{lists.value?.gateways.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}</datalist>
          </>
        )}
      </Field>
      <PlaceFields draft={draft} set={set} fault={fault("place")} />
      <div class="outcome" role="alert">
        {trouble instanceof Unreachable && <p>{navigator.onLine ? said.form.unsure : said.form.offline}</p>}
        {trouble !== undefined && !(trouble instanceof Unreachable) && <p>{isKnown(trouble) ? said.form.known(draft.id) : sentence(trouble, words)}</p>}
        {isKnown(trouble) && <a class="button" href={`#connect/${draft.id}`}>{said.form.openIt(draft.id)}</a>}
      </div>
      <button type="submit" class="primary big" aria-disabled={busy}>{busy ? said.form.going : said.form.go}</button>
    </form>
  );
}

const isKnown = (trouble: unknown): boolean => trouble instanceof Refusal && trouble.status === 409;

/** A kept choice stays to be seen while its list has not come yet. */
function options(chosen: string, list: { id: string; name: string }[] | undefined) {
  const all = list ?? [];
  const known = chosen === "" || all.some(({ id }) => id === chosen);
  return [...(known ? [] : [{ id: chosen, name: chosen }]), ...all].map(({ id, name }) => <option key={id} value={id}>{name === id ? id : `${name} (${id})`}</option>);
}

/** What the label says, a moment after the last key; `tell` hears of it once. */
function useLabel(code: string, tell: (found: { profile: string; serial: string }) => void): [Label, () => void] {
  const [label, setLabel] = useState<Label>("none");
  const [turn, setTurn] = useState(0);
  const text = code.trim();
  useEffect(() => {
    if (text === "") return setLabel("none");
    let gone = false;
    setLabel("looking");
    const timer = setTimeout(async () => {
      try {
        const found = await readLabel(text);
        if (gone) return;
        setLabel(found);
        tell(found);
      } catch (error) {
        if (gone || signedOut(error)) return;
        // Without a network nothing is known of the label: it goes on looking, and the banner says why.
        if (error instanceof Refusal) setLabel("unknown");
      }
    }, LOOK_AFTER_MS);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [text, turn]);
  return [label, () => setTurn((n) => n + 1)];
}
