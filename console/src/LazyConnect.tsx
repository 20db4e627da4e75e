// The onboarding page, loaded when somebody asks for it: the wall does without it.
import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useWords } from "./words";

type Page = FunctionComponent<{ device: string | null }>;

export function LazyConnect({ device }: { device: string | null }) {
  const { words } = useWords();
  const [page, setPage] = useState<{ Connect: Page } | "loading" | "failed">("loading");
  useEffect(() => {
    if (page !== "loading") return;
    let gone = false;
    import("./connect/Connect").then(
      ({ Connect }) => gone || setPage({ Connect }),
      (error: unknown) => {
        console.info("connect: the page was not loaded:", String(error));
        if (!gone) setPage("failed");
      },
    );
    return () => {
      gone = true;
    };
  }, [page]);
  if (page === "loading") return <p class="asking" role="status">{words.connect.loading}</p>;
  if (page === "failed") return <p class="asking" role="alert">{words.connect.failed} <button type="button" onClick={() => setPage("loading")}>{words.connect.again}</button></p>;
  return <page.Connect device={device} />;
}
