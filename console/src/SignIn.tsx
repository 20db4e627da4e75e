// The sign-in page: name, password, and sentences that say what went wrong and what to do.
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "./api";
import { LanguageSwitch } from "./LanguageSwitch";
import { enter, situation } from "./situation";
import { useSlice } from "./store";
import { sentence } from "./troubles";
import { useWords, type Words } from "./words";

export function SignIn() {
  const { words } = useWords();
  const before = useSlice(situation, (now) => now.troubles.get("stream"));
  const form = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<unknown>(before);

  useEffect(() => form.current?.querySelector("input")?.focus(), []);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (!form.current || busy) return;
    const entries = new FormData(form.current);
    const name = String(entries.get("name") ?? "").trim();
    const password = String(entries.get("password") ?? "");
    if (!name || !password) return setTrouble("empty");
    setBusy(true);
    setTrouble(undefined);
    try {
      enter(await api.signIn(name, password));
    } catch (error) {
      setBusy(false);
      setTrouble(error);
      form.current.querySelector<HTMLInputElement>("input[type=password]")?.select();
    }
  }

  return (
    <main class="sign-in">
      <form ref={form} onSubmit={submit} noValidate aria-labelledby="sign-in-title">
        <p class="product">{words.product}</p>
        <h1 id="sign-in-title">{words.signIn.title}</h1>
        <label>
          <span>{words.signIn.name}</span>
          <input name="name" type="text" autocomplete="username" autocapitalize="none" spellcheck={false} required aria-describedby="sign-in-trouble" />
        </label>
        <label>
          <span>{words.signIn.password}</span>
          <input name="password" type="password" autocomplete="current-password" required aria-describedby="sign-in-trouble" />
        </label>
        <p id="sign-in-trouble" class="trouble" role="alert">{trouble === undefined ? "" : why(trouble, words)}</p>
        <button type="submit" class="primary" disabled={busy}>{busy ? words.signIn.going : words.signIn.go}</button>
      </form>
      <LanguageSwitch />
    </main>
  );
}

function why(trouble: unknown, words: Words): string {
  if (trouble === "empty") return words.signIn.fillBoth;
  if (trouble instanceof api.Refusal && trouble.status === 401) return words.signIn.wrong;
  if (trouble instanceof api.Refusal && trouble.status === 429) return words.signIn.tooOften(trouble.retryAfter);
  return sentence(trouble, words);
}
