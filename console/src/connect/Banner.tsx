// Says that the network is gone, since when, and that what was typed is not; any other trouble in its sentence.
import { Unreachable } from "../api";
import { clockText } from "../moments";
import { sentence } from "../troubles";
import { useWords } from "../words";
import { useConnectWords } from "./words";

interface BannerProps {
  error: unknown;
  since: number | null;
  again?: () => void;
  /** What did not work. */
  what?: string;
}

export function Banner({ error, since, again, what }: BannerProps) {
  const { words } = useWords();
  const { said } = useConnectWords();
  if (error === undefined) return null;
  return (
    <p class="banner" role="alert">
      <span>{error instanceof Unreachable ? (since === null ? said.lostAtOnce : said.lost(clockText(since))) : `${what ?? ""} ${sentence(error, words)}`}</span>
      {again && <button type="button" onClick={again}>{said.tryAgain}</button>}
    </p>
  );
}
