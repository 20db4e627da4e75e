// The map's place on the page: vector map where the browser can, plain plan where not; the alarm list never waits for it.
import { useEffect, useRef, useState } from "preact/hooks";
import { useWords } from "../words";
import { Plan } from "./Plan";
import { markSize } from "./size";
import type { Scene } from "./scene";
import type { Drawn } from "./vector";

interface CityMapProps {
  scene: Scene;
  pick(id: string): void;
}

/** State in the document for those who wait for it: loading, idle (drawn, at rest), plan (no WebGL 2). */
type Way = "loading" | "idle" | "plan";

const CHANGES_AT_MOST_EVERY_MS = 1_000;

export function CityMap({ scene, pick }: CityMapProps) {
  const { words, lang } = useWords();
  const host = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | null>(null);
  const latest = useRef({ scene, pick });
  const [way, setWay] = useState<Way>("loading");
  latest.current = { scene, pick };

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    let gone = false;
    const plain = (error: unknown) => {
      console.info("map: plain plan instead of the vector map:", String(error));
      drawn.current?.remove();
      drawn.current = null;
      if (!gone) setWay("plan");
    };
    void (async () => {
      try {
        const { drawVector } = await import("./vector");
        if (gone) return;
        const textPx = Math.max(15, parseFloat(getComputedStyle(element).fontSize));
        const map = await drawVector(element, {
          scene: latest.current.scene,
          textPx,
          markPx: markSize(textPx, element.clientWidth),
          title: words.map.title,
          pick: (id) => latest.current.pick(id),
          idle: () => setWay((before) => (before === "plan" ? before : "idle")),
          failed: (error) => console.error("map:", String(error)),
        });
        if (gone) return map.remove();
        drawn.current = map;
        map.show(latest.current.scene);
      } catch (error) {
        plain(error);
      }
    })();
    return () => {
      gone = true;
      drawn.current?.remove();
      drawn.current = null;
    };
    // The map is made once; its texts come with the scene.
  }, []);

  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const shownAt = useRef(0);
  useEffect(() => {
    if (timer.current !== undefined) return;
    // At once after a quiet second: list and map should say the same.
    timer.current = setTimeout(() => {
      timer.current = undefined;
      shownAt.current = Date.now();
      drawn.current?.show(latest.current.scene);
    }, Math.max(0, shownAt.current + CHANGES_AT_MOST_EVERY_MS - Date.now()));
  }, [scene, lang]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const lost = [
    scene.alarmsWithoutPlace > 0 && words.map.noPlace(scene.alarmsWithoutPlace),
    scene.devicesWithoutPlace > 0 && words.map.noPlaceDevices(scene.devicesWithoutPlace),
    way === "plan" && words.map.plan,
  ].filter(Boolean);
  return (
    <section class="map" data-map={way} aria-label={words.map.title}>
      {way === "plan" ? <Plan scene={scene} title={words.map.title} pick={pick} /> : <div ref={host} class="vector" />}
      {way === "loading" && <p class="map-note loading">{words.map.loading}</p>}
      {way !== "plan" && (
        <div class="zoom">
          <button type="button" aria-label={words.map.zoomIn} onClick={() => drawn.current?.zoom(1)}>+</button>
          <button type="button" aria-label={words.map.zoomOut} onClick={() => drawn.current?.zoom(-1)}>−</button>
        </div>
      )}
      {lost.length > 0 && <p class="map-note">{lost.join(" · ")}</p>}
    </section>
  );
}
