// The camera's picture while a label is being scanned.
import { useEffect, useRef } from "preact/hooks";
import { scan } from "./scan";
import { useConnectWords } from "./words";

export function LabelScan({ seen, failed, stop }: { seen(code: string): void; failed(): void; stop(): void }) {
  const { said } = useConnectWords();
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => (video.current ? scan(video.current, seen, failed) : undefined), []);
  return (
    <div class="scan">
      <video ref={video} muted playsInline />
      <p role="status">{said.form.scanning}</p>
      <button type="button" onClick={stop}>{said.form.stopScan}</button>
    </div>
  );
}
