// The map without WebGL: the same scene as a plain SVG plan, with the same marks and letters. It stands still; the list does the rest.
import { useEffect, useRef, useState } from "preact/hooks";
import { Mark } from "../levels";
import { inMiddle, place, type Box } from "./labels";
import { markSize, SMALL } from "./size";
import type { Ring } from "../contract";
import type { Bounds, Scene } from "./scene";

interface PlanProps {
  scene: Scene;
  title: string;
  pick(id: string): void;
}

export function Plan({ scene, title, pick }: PlanProps) {
  const host = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState<{ width: number; height: number; px: number } | null>(null);
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const watcher = new ResizeObserver(() =>
      setSize({ width: element.clientWidth, height: element.clientHeight, px: parseFloat(getComputedStyle(element).fontSize) }));
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  return (
    <div ref={host} class="plan">
      {size && size.width > 0 && scene.bounds && <Drawing scene={scene} bounds={scene.bounds} title={title} pick={pick} {...size} />}
    </div>
  );
}

interface DrawingProps extends PlanProps {
  bounds: Bounds;
  width: number;
  height: number;
  px: number;
}

function Drawing({ scene, bounds, title, pick, width, height, px }: DrawingProps) {
  const project = projection(bounds, width, height, px * 2.5);
  const frame: Box = { x: 4, y: 4, width: width - 8, height: height - 8 };
  const marks = scene.marks.map((mark) => ({ ...mark, xy: project(mark.at) }));
  const markPx = markSize(px, width);
  const taken: Box[] = marks.map(({ xy: [x, y] }) => ({ x: x - markPx * 0.8, y: y - markPx * 0.65, width: markPx * 1.3, height: markPx * 1.15 }));
  const labelled = marks.filter((mark) => mark.letter).map((mark) => ({ mark, label: place(mark.xy, [mark.title, mark.value], px, frame, taken, px * (mark.selected ? 2 : 1.45)) }));
  const named = [...scene.zones].sort((a, b) => b.size - a.size).map((zone) => ({ zone, label: inMiddle(project(zone.middle), zone.name, px, frame, taken) }));
  return (
    <svg width={width} height={height} role="img" aria-label={title}>
      {scene.zones.map((zone) => (
        <path key={zone.id} class={`zone tint-${zone.tint}`} fill-rule="evenodd" d={zone.polygons.flat().map((ring) => ringPath(ring, project)).join("")} />
      ))}
      <path class="devices" d={scene.devices.map(({ at }) => { const [x, y] = project(at); return `M${x} ${y}h0`; }).join("")} />
      {named.map(({ zone, label }) => label && (
        <text key={zone.id} class="zone-name" x={label.x} y={label.y + px} text-anchor={label.anchor}>{zone.name}</text>
      ))}
      {[...marks].reverse().map((mark) => {
        const scale = ((mark.letter ? 1 : SMALL) * markPx) / 100;
        return (
          <g key={mark.id} class="plan-mark" data-mark={mark.id} data-letter={mark.letter} onClick={() => pick(mark.id)}
            transform={`translate(${mark.xy[0] - 50 * scale} ${mark.xy[1] - 50 * scale}) scale(${scale})`}>
            {mark.selected && <circle class="ring" cx="50" cy="50" r="80" />}
            <Mark level={mark.level} hold={mark.hold} exercise={mark.exercise} bare />
            {mark.letter && <text class="letter" x="-14" y="20" font-size="54" text-anchor="middle">{mark.letter}</text>}
          </g>
        );
      })}
      {labelled.map(({ mark, label }) => label && (
        <text key={mark.id} class="mark-label" text-anchor={label.anchor}>
          <tspan x={label.x} y={label.y + px}>{mark.title}</tspan>
          <tspan x={label.x} dy="1.3em">{mark.value}</tspan>
        </text>
      ))}
    </svg>
  );
}

/** Web Mercator, fitted into the frame. */
function projection([west, south, east, north]: Bounds, width: number, height: number, margin: number): (at: readonly [number, number]) => [number, number] {
  const mercator = (lat: number) => Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) * (180 / Math.PI);
  const [bottom, top] = [mercator(south), mercator(north)];
  const scale = Math.min((width - 2 * margin) / (east - west || 0.01), (height - 2 * margin) / (top - bottom || 0.01));
  const left = (width - (east - west) * scale) / 2;
  const above = (height - (top - bottom) * scale) / 2;
  const tenth = (n: number) => Math.round(n * 10) / 10;
  return ([lon, lat]) => [tenth(left + (lon - west) * scale), tenth(above + (top - mercator(lat)) * scale)];
}

const ringPath = (ring: Ring, project: (at: [number, number]) => [number, number]): string =>
  `M${ring.map((at) => project(at).join(" ")).join("L")}Z`;
