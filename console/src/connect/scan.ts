// Reads a label's code with the camera, where the browser itself can: BarcodeDetector is in Chrome on Android and macOS.
interface Detector {
  detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]>;
}
declare global {
  // eslint-disable-next-line no-var
  var BarcodeDetector: (new () => Detector) | undefined;
}

const LOOK_EVERY_MS = 200;

export const canScan = (): boolean => typeof BarcodeDetector === "function" && isSecureContext && "mediaDevices" in navigator;

/** Shows the camera in `video` until a code is seen, then calls `seen`; returns what ends it. */
export function scan(video: HTMLVideoElement, seen: (code: string) => void, failed: (error: unknown) => void): () => void {
  let over = false;
  let stream: MediaStream | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = () => {
    over = true;
    clearTimeout(timer);
    stream?.getTracks().forEach((track) => track.stop());
  };
  void (async () => {
    try {
      if (typeof BarcodeDetector !== "function") throw new Error("BarcodeDetector");
      const detector = new BarcodeDetector();
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
      if (over) return end();
      video.srcObject = stream;
      await video.play();
      const look = async (): Promise<void> => {
        const code = (await detector.detect(video))[0]?.rawValue.trim();
        if (over) return;
        if (code) {
          end();
          return seen(code);
        }
        timer = setTimeout(() => void look().catch(fail), LOOK_EVERY_MS);
      };
      await look();
    } catch (error) {
      fail(error);
    }
  })();
  function fail(error: unknown): void {
    if (over) return;
    end();
    failed(error);
  }
  return end;
}
