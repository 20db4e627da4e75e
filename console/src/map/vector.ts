// Draws a scene with MapLibre GL: loaded only when a map is wanted, own data only, labels from the machine's fonts, no animation.
import "maplibre-gl/dist/maplibre-gl.css";
import type { Feature } from "geojson";
import { Map as VectorMap, ScaleControl, setWorkerUrl, type ExpressionSpecification, type GeoJSONSource, type StyleSpecification } from "maplibre-gl";
// Without this line the built map stays at its background and never loads.
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { COLOURS } from "../levels";
import { addRoomImage, markImage, ROOM_IMAGE } from "./images";
import type { Scene } from "./scene";
import { folded } from "./labels";
import { SMALL } from "./size";

setWorkerUrl(workerUrl);

export interface Drawn {
  show(scene: Scene): void;
  zoom(by: 1 | -1): void;
  remove(): void;
}

const FONTS = ["Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif"];
/** As a share of the largest zone. */
const LARGE = 0.25;
const EMPTY = { type: "FeatureCollection" as const, features: [] };
const tint: ExpressionSpecification = ["match", ["get", "tint"], 4, COLOURS[4], 3, COLOURS[3], "#2a333b"];
const halo = { "text-halo-color": "#12171b", "text-halo-width": 1.6 };

/** Labels know no edge of the map: on a narrow one they are kept narrow. */
const labelEms = (mapWidth: number): number => (mapWidth < 500 ? 7 : 16);

function style(textPx: number): StyleSpecification {
  return {
    version: 8,
    transition: { duration: 0, delay: 0 },
    sources: {
      zones: { type: "geojson", data: EMPTY },
      names: { type: "geojson", data: EMPTY },
      devices: { type: "geojson", data: EMPTY },
      alarms: { type: "geojson", data: EMPTY },
    },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": "#161c21" } },
      { id: "zones", type: "fill", source: "zones", paint: { "fill-color": tint, "fill-opacity": ["match", ["get", "tint"], 0, 0.35, 0.17] } },
      { id: "borders", type: "line", source: "zones", paint: { "line-color": "#46535e", "line-width": 1 } },
      { id: "devices", type: "circle", source: "devices",
        paint: { "circle-color": "#74828e", "circle-radius": ["interpolate", ["linear"], ["zoom"], 9, 1.3, 12, 2, 16, 4] } },
      { id: "names", type: "symbol", source: "names",
        layout: { "text-field": ["get", "name"], "text-font": FONTS, "text-size": textPx, "text-letter-spacing": 0.08, "text-padding": 6, "symbol-sort-key": ["-", 0, ["get", "size"]],
          // A large zone's name may stand aside and is still inside; a small one's would name another zone.
          "text-variable-anchor-offset": ["case", ["get", "large"],
            ["literal", ["center", [0, 0], "top", [0, 1.6], "bottom", [0, -1.6]]], ["literal", ["center", [0, 0]]]] },
        paint: { "text-color": "#93a0ab", ...halo } },
      { id: "labels", type: "symbol", source: "alarms",
        layout: {
          "text-field": ["case", ["==", ["get", "letter"], ""], "", ["get", "label"]], "text-font": FONTS, "text-size": textPx, "text-justify": "auto", "text-max-width": 50,
          "text-variable-anchor": ["left", "right", "top", "bottom", "top-left", "bottom-left"], "text-radial-offset": ["case", ["get", "selected"], 1.9, 1.5],
          "symbol-sort-key": ["get", "place"],
        },
        paint: { "text-color": "#edf1f4", ...halo } },
      { id: "room", type: "symbol", source: "alarms", layout: { "icon-image": ROOM_IMAGE, "icon-allow-overlap": true } },
      { id: "marks", type: "symbol", source: "alarms",
        layout: {
          "icon-image": ["get", "image"], "icon-allow-overlap": true, "icon-size": ["case", ["==", ["get", "letter"], ""], SMALL, 1],
          // They always show and push nothing aside; the layer before keeps room for them, and layers above are placed first.
          "icon-ignore-placement": true, "symbol-sort-key": ["-", 0, ["get", "place"]], "symbol-z-order": "source",
        } },
    ],
  };
}

interface Wishes {
  scene: Scene;
  textPx: number;
  markPx: number;
  title: string;
  pick(id: string): void;
  idle(): void;
  failed(error: unknown): void;
}

/** Throws where the browser has no WebGL 2. */
export async function drawVector(host: HTMLElement, wishes: Wishes): Promise<Drawn> {
  await document.fonts.ready;
  const map = new VectorMap({
    container: host,
    style: style(wishes.textPx),
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    fadeDuration: 0,
    locale: { "Map.Title": wishes.title },
    ...(wishes.scene.bounds ? { bounds: wishes.scene.bounds, fitBoundsOptions: { padding: Math.min(56, host.clientWidth / 12) } } : {}),
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new ScaleControl({ maxWidth: 120 }), "bottom-right");
  map.on("error", ({ error }) => wishes.failed(error));
  map.on("idle", wishes.idle);
  map.on("click", "marks", ({ features }) => {
    const id: unknown = features?.[0]?.properties["id"];
    if (typeof id === "string") wishes.pick(id);
  });
  await new Promise<void>((resolve) => map.once("load", () => resolve()));
  addRoomImage(map, wishes.markPx);
  const ems = labelEms(host.clientWidth);
  let shown: Scene | null = null;
  let framed = wishes.scene.bounds !== null;

  function show(scene: Scene): void {
    const set = (source: string, features: Feature[]) =>
      void (map.getSource(source) as GeoJSONSource | undefined)?.setData({ type: "FeatureCollection", features });
    if (!framed && scene.bounds) {
      framed = true;
      map.fitBounds(scene.bounds, { padding: 48, animate: false });
    }
    if (scene.devices !== shown?.devices) set("devices", scene.devices.map(({ at }) => point(at, {})));
    if (!shown || tintsOf(scene) !== tintsOf(shown)) {
      set("zones", scene.zones.map((zone) => ({
        type: "Feature", properties: { tint: zone.tint }, geometry: { type: "MultiPolygon", coordinates: zone.polygons },
      })));
      const largest = Math.max(...scene.zones.map((zone) => zone.size));
      set("names", scene.zones.map((zone) => point(zone.middle, { name: zone.name, size: zone.size, large: zone.size > largest * LARGE })));
    }
    set("alarms", scene.marks.map((mark) => point(mark.at, {
      id: mark.id, letter: mark.letter, selected: mark.selected, place: mark.place, image: markImage(map, mark, wishes.markPx),
      label: `${folded(mark.title, ems)}\n${mark.value}`,
    })));
    shown = scene;
  }

  show(wishes.scene);
  return {
    show,
    zoom: (by) => void (by > 0 ? map.zoomIn({ animate: false }) : map.zoomOut({ animate: false })),
    remove: () => map.remove(),
  };
}

const tintsOf = (scene: Scene): string => scene.zones.map((zone) => `${zone.id}=${zone.tint}`).join();

const point = (at: [number, number], properties: Record<string, unknown>): Feature => ({
  type: "Feature", properties, geometry: { type: "Point", coordinates: at },
});
