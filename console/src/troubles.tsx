// Says what did not work, in sentences, until it works again or the person closes it. Nothing is swallowed.
import { Refusal, Unreachable } from "./api";
import { forget, situation, type Doing } from "./situation";
import { useSlice } from "./store";
import { useWords, type Words } from "./words";

export function sentence(error: unknown, words: Words): string {
  const said = words.troubles;
  if (error instanceof Unreachable) return said.unreachable;
  if (!(error instanceof Refusal)) return `${said.other} ${String(error)}`;
  const kind = error.status === 403 ? said.forbidden : error.status === 404 ? said.missing : error.status === 409 ? said.faster
    : error.status >= 500 ? said.broken : said.other;
  return error.detail ? `${kind} (${error.status}: ${error.detail})` : `${kind} (${error.status})`;
}

export function Troubles() {
  const { words } = useWords();
  const troubles = useSlice(situation, (now) => now.troubles);
  return (
    <div class="troubles" role="alert">
      {[...troubles].map(([what, error]) => (
        <p key={what}>
          <span>
            <strong>{nameOf(what, words)}</strong> {sentence(error, words)}
            {what.startsWith("acknowledge:") && !(error instanceof Refusal && error.status === 409) && ` ${words.troubles.notSent}`}
          </span>
          <button type="button" onClick={() => forget(what)}>{words.troubles.close}</button>
        </p>
      ))}
    </div>
  );
}

function nameOf(what: Doing, words: Words): string {
  const { doing } = words.troubles;
  return `${what.startsWith("acknowledge:") ? doing.acknowledge : doing[what as keyof typeof doing]}:`;
}
