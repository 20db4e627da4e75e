// What is to be seen on the map, in any way of drawing it: zones, devices, alarm marks with the list's letters. No I/O.
import { holdOf, letterOf, openInOrder, shownLevel, type AlarmLevel, type AlarmTable, type Hold } from "../alarms";
import type { Alarm, Device, Ring, ZoneCollection, ZoneFeature } from "../contract";

export interface Mark {
  id: string;
  letter: string;
  /** Place in the order of urgency, the first is 0. */
  place: number;
  level: AlarmLevel;
  hold: Hold;
  exercise: boolean;
  selected: boolean;
  at: [number, number];
  title: string;
  value: string;
}

export interface SceneZone {
  id: string;
  name: string;
  /** The worst level that nobody has taken in it or around its place, I and II only: the rest is told by marks. */
  tint: 0 | 3 | 4;
  middle: [number, number];
  /** To compare zones by: square degrees. */
  size: number;
  polygons: Ring[][];
}

export type Bounds = [west: number, south: number, east: number, north: number];

export interface Scene {
  zones: SceneZone[];
  devices: { at: [number, number] }[];
  marks: Mark[];
  bounds: Bounds | null;
  /** Counted because they cannot be drawn. */
  alarmsWithoutPlace: number;
  devicesWithoutPlace: number;
}

const LONGEST_LABEL = 28;

/** The part that changes seldom. */
export interface Ground {
  zones: Omit<SceneZone, "tint">[];
  devices: { at: [number, number] }[];
  deviceAt: ReadonlyMap<string, Device>;
  bounds: Bounds | null;
  devicesWithoutPlace: number;
}

export function groundOf(devices: readonly Device[], collection: ZoneCollection): Ground {
  const zones = collection.features.flatMap((feature) => {
    // What a camera sees is no place with a name: four views over one square would hide it.
    if (feature.properties.kind === "camera-view") return [];
    const polygons = polygonsOf(feature);
    const middle = middleOf(polygons);
    return middle ? [{ id: String(feature.id), name: feature.properties.name ?? String(feature.id), middle: middle.at, size: middle.size, polygons }] : [];
  });
  const placed = devices.filter((device) => isPlace(device.lon, device.lat));
  const points = placed.map((device) => ({ at: [device.lon, device.lat] as [number, number] }));
  return {
    zones,
    devices: points,
    deviceAt: new Map(devices.map((device) => [device.id, device])),
    bounds: boundsOf(zones.flatMap((zone) => zone.polygons.flatMap((rings) => rings[0] ?? []))) ?? crowdBounds(points),
    devicesWithoutPlace: devices.length - placed.length,
  };
}

export function sceneOf(
  ground: Ground,
  alarms: AlarmTable,
  lettered: readonly string[],
  selected: string | null,
  say: { title(alarm: Alarm): string; value(alarm: Alarm): string; exercise: string },
): Scene {
  const middles = new Map(ground.zones.map((zone) => [zone.id, zone.middle]));
  const tints = new Map<string, 3 | 4>();
  const letters = new Map(lettered.map((id, place) => [id, letterOf(place)]));
  const marks: Mark[] = [];
  let alarmsWithoutPlace = 0;
  for (const [place, alarm] of openInOrder(alarms).entries()) {
    const level = shownLevel(alarm);
    const hold = holdOf(alarm);
    const device = ground.deviceAt.get(alarm.device);
    if (hold === "untaken" && level >= 3 && !alarm.exercise) {
      for (const zone of [...(alarm.zone ? [alarm.zone] : []), ...(device?.zones ?? [])]) {
        tints.set(zone, Math.max(level, tints.get(zone) ?? 0) as 3 | 4);
      }
    }
    const at = placeOf(alarm.lon, alarm.lat) ?? placeOf(device?.lon, device?.lat) ?? middles.get(alarm.zone ?? "");
    if (!at) {
      alarmsWithoutPlace += 1;
      continue;
    }
    marks.push({
      id: alarm.id,
      letter: letters.get(alarm.id) ?? "",
      place,
      level,
      hold,
      exercise: alarm.exercise,
      selected: alarm.id === selected,
      at,
      title: (alarm.exercise ? `${say.exercise} · ` : "") + shortened(say.title(alarm)),
      value: say.value(alarm),
    });
  }
  return {
    zones: ground.zones.map((zone) => ({ ...zone, tint: tints.get(zone.id) ?? 0 })),
    devices: ground.devices,
    marks,
    bounds: ground.bounds ?? boundsOf(marks.map((mark) => mark.at)),
    alarmsWithoutPlace,
    devicesWithoutPlace: ground.devicesWithoutPlace,
  };
}

/** Names come from outside and may be of any length; the list shows them whole. */
const shortened = (title: string): string => {
  const signs = [...title];
  return signs.length > LONGEST_LABEL ? `${signs.slice(0, LONGEST_LABEL - 1).join("")}…` : title;
};

const isPlace = (lon: number | null | undefined, lat: number | null | undefined): boolean =>
  Number.isFinite(lon) && Number.isFinite(lat) && Math.abs(lon as number) <= 180 && Math.abs(lat as number) <= 85;

const placeOf = (lon: number | null | undefined, lat: number | null | undefined): [number, number] | null =>
  isPlace(lon, lat) ? [lon as number, lat as number] : null;

function polygonsOf({ geometry }: ZoneFeature): Ring[][] {
  if (geometry?.type === "Polygon") return [geometry.coordinates];
  return geometry?.type === "MultiPolygon" ? geometry.coordinates : [];
}

/** The centroid of the largest ring: where the zone's name stands. */
function middleOf(polygons: Ring[][]): { size: number; at: [number, number] } | null {
  let best: { size: number; at: [number, number] } | null = null;
  for (const rings of polygons) {
    const ring = rings[0];
    const first = ring?.[0];
    if (!ring || !first) continue;
    let area = 0;
    let x = 0;
    let y = 0;
    for (let i = 1; i < ring.length; i += 1) {
      const [ax, ay] = [ring[i - 1]![0] - first[0], ring[i - 1]![1] - first[1]];
      const [bx, by] = [ring[i]![0] - first[0], ring[i]![1] - first[1]];
      const cross = ax * by - bx * ay;
      area += cross;
      x += (ax + bx) * cross;
      y += (ay + by) * cross;
    }
    if (area === 0) continue;
    if (!best || Math.abs(area) > best.size) {
      best = { size: Math.abs(area), at: [first[0] + x / (3 * area), first[1] + y / (3 * area)] };
    }
  }
  return best;
}

function boundsOf(points: readonly (readonly [number, number])[]): Bounds | null {
  if (points.length === 0) return null;
  const bounds: Bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [lon, lat] of points) {
    bounds[0] = Math.min(bounds[0], lon);
    bounds[1] = Math.min(bounds[1], lat);
    bounds[2] = Math.max(bounds[2], lon);
    bounds[3] = Math.max(bounds[3], lat);
  }
  return bounds;
}

/** Without zones: where the devices are, without the few that stand at 0, 0 or in another country by mistake. */
function crowdBounds(points: readonly { at: [number, number] }[]): Bounds | null {
  if (points.length < 20) return boundsOf(points.map(({ at }) => at));
  const middle = (axis: 0 | 1): [number, number] => {
    const sorted = points.map(({ at }) => at[axis]).sort((a, b) => a - b);
    return [sorted[Math.floor(sorted.length * 0.02)]!, sorted[Math.floor(sorted.length * 0.98)]!];
  };
  const [west, east] = middle(0);
  const [south, north] = middle(1);
  return [west, south, east, north];
}
