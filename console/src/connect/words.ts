// The words of the onboarding page; a dictionary of its own, loaded with the page.
import { useWords, type Lang } from "../words";
import { en, type ConnectWords } from "./en";
import { zh } from "./zh";

export const BOOKS: Record<Lang, ConnectWords> = { zh, en };

export function useConnectWords(): { said: ConnectWords; lang: Lang } {
  const { lang } = useWords();
  return { said: BOOKS[lang], lang };
}
