"""The bench `fences`: fixes a second against 50,000 zones, and points located a second beside plain shapely."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape

from bench import machine
from bench.errors import BenchError, Mismatch
from geo.crossing import Crossings
from geo.fence import ENTER, EXIT, Fence
from geo.locate import Locator
from geo.plane import metres_per_degree

Say = Callable[[str], None]
Points = NDArray[np.float64]

OPTIONS = ("data",)
SHARED = Path(__file__).parents[2] / "shared" / "data"
SIDE_M = 20_000.0
CENTRE = np.array((120.5, 31.2))
SCALE = np.array(metres_per_degree(31.2))
TRACKS = 10_000
LEAST_SECONDS = 30
LOCATED, COMPARED = 200_000, 20_000
CITY = 2_000
BORDER_S = 3_600
SHARP = Fence(exit_m=0, enter_s=0, exit_s=0)


def run(seconds: float, runs: int, say: Say, data: Path | None = None) -> dict[str, object]:
    """Measure; `seconds` are those of the city's clock, each with a fix of every track. Raises Mismatch where located points differ from shapely's."""
    described = machine.describe("none", "none")
    say("a city of 50,000 zones")
    zones = city()
    walked = [walk(zones, max(int(seconds), LEAST_SECONDS), say) for _ in range(runs)]
    say("an hour along a border")
    ours, control = flaps(Fence(), 6.0), flaps(SHARP, 0.0)
    folder = (data or SHARED) / "geo"
    cells, wide = real(folder)
    located: dict[str, list[tuple[float, float]]] = {}
    for name, polygons in {
        "city": cells[:CITY],
        "world": cells,
        "wide": wide,
        "both": [*cells, *wide],
    }.items():
        say(f"locating in {len(polygons):,} real polygons ({name})")
        located[name] = [locate(polygons, seed) for seed in range(runs)]
    rates = {name: [one for one, _ in found] for name, found in located.items()}
    ratios = {name: [one / other for one, other in found] for name, found in located.items()}
    return {
        "fixes_per_s": round(median(rate for rate, _ in walked)),
        "locate_per_s": round(median(rates["city"])),
        "vs_shapely": round(median(ratios["city"]), 1),
        "locate_world_per_s": round(median(rates["world"])),
        "vs_shapely_world": round(median(ratios["world"]), 1),
        "locate_wide_per_s": round(median(rates["wide"])),
        "vs_shapely_wide": round(median(ratios["wide"]), 1),
        "locate_both_per_s": round(median(rates["both"])),
        "vs_shapely_both": round(median(ratios["both"]), 1),
        "flaps": ours,
        "flaps_without_hysteresis": control,
        "machine": described,
        "load": {
            "zones": f"{len(zones):,} in a city of 20 km: 40,000 grid cells, 8,000 communities and 1,500 streets of "
            f"crooked borders, 500 circles; {shapely.get_num_coordinates(zones).sum():,} vertices",
            "fixes": f"{TRACKS:,} tracks, a fix a second of each, batches of a second; on foot and by car, noise 5 m, "
            "accuracy 3 to 15 m; enter after 5 s, exit after 10 s and 20 m, dwell after 10 s",
            "border": "a fix a second for an hour along a border itself, noise 6 m, remembered for 10 s",
            "city": f"{CITY:,} Voronoi cells cut out of five real boroughs, "
            f"{sum(map(shapely.get_num_coordinates, cells[:CITY])):,} vertices; {LOCATED:,} points in their boxes",
            "world": f"the same and {len(cells) - CITY:,} cut out of countries",
            "wide": f"the five boroughs whole, {sum(map(shapely.get_num_coordinates, wide)):,} vertices",
            "shapely": f"STRtree.query(points, predicate='intersects') on {COMPARED:,} of the same points; every pair compared",
            "time": "CPU time of this process; one core",
        },
        "runs": {
            "fixes_per_s": [round(rate) for rate, _ in walked],
            "events": [events for _, events in walked],
            **{f"locate_{name}": [round(rate) for rate in found] for name, found in rates.items()},
        },
    }


def city(coarser: int = 1) -> NDArray[Any]:
    """50,000 zones in layers over each other, in degrees; or so many times coarser ones."""
    rng = np.random.default_rng(1)
    whole = shapely.box(0, 0, SIDE_M, SIDE_M)
    west, south = np.meshgrid(np.arange(0, SIDE_M, 100 * coarser), np.arange(0, SIDE_M, 100 * coarser))
    layers = [
        shapely.box(west.ravel(), south.ravel(), west.ravel() + 100 * coarser, south.ravel() + 100 * coarser)
    ]
    layers += [
        crooked(voronoi(rng.uniform(0, SIDE_M, (count // coarser**2, 2)), whole), rng)
        for count in (8_000, 1_500)
    ]
    places = rng.uniform(0, SIDE_M, (500, 2))
    layers.append(shapely.buffer(shapely.points(places), rng.uniform(30, 150, 500)))
    return shapely.transform(np.concatenate(layers), lambda metres: CENTRE + metres / SCALE)


def voronoi(seeds: Points, whole: Any) -> NDArray[Any]:
    """The cells around places, cut at a border."""
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(seeds), extend_to=whole))
    return np.asarray(shapely.intersection(cells, whole))


def crooked(cells: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """The same cells with a vertex every 10 m, off its line by decimetres, as a survey draws them."""
    finer = shapely.segmentize(cells, 10)
    phase = rng.uniform(0, np.pi)
    return np.asarray(shapely.transform(finer, lambda metres: metres + 0.3 * np.sin(metres[:, ::-1] + phase)))


def walk(zones: NDArray[Any], seconds: int, say: Say) -> tuple[float, int]:
    """Fixes a second of CPU time, and the events that they brought."""
    rng = np.random.default_rng(2)
    say("building the index")
    crossings = Crossings(list(zones), Fence(dwell_s=10))
    place = rng.uniform(0, SIDE_M, (TRACKS, 2))
    speed = rng.normal(0, 1, (TRACKS, 2)) * np.where(rng.random(TRACKS) < 0.7, 1.0, 8.0)[:, None]  # noqa: PLR2004 - walkers
    accuracy = rng.uniform(3, 15, TRACKS)
    took, events = 0.0, 0
    for second in range(seconds + 2):
        place = place + speed
        lon, lat = (CENTRE + (place + rng.normal(0, 5, place.shape)) / SCALE).T
        begun = time.process_time()
        told = crossings.feed(
            np.arange(TRACKS), np.full(TRACKS, (second + 1) * 1_000_000), lon, lat, accuracy
        )
        # The first batches compile, and meet every track for the first time.
        if second > 1:
            took += time.process_time() - begun
            events += len(told.events)
    if events == 0 or told.outcome.any():
        raise Mismatch(
            f"{events} events of {TRACKS:,} tracks, {int((told.outcome > 0).sum())} fixes not believed"
        )
    return TRACKS * seconds / took, events


def flaps(fence: Fence, accuracy: float) -> int:
    """How often a track that keeps to a border for an hour is told to have left the zone."""
    rng = np.random.default_rng(3)
    keep, off = np.exp(-0.1), np.zeros(BORDER_S)
    for second in range(1, BORDER_S):
        off[second] = keep * off[second - 1] + (1 - keep**2) ** 0.5 * rng.normal(0, 6)
    lon, lat = (CENTRE + np.column_stack((off, np.linspace(100, 3700, BORDER_S))) / SCALE).T
    zone = shapely.transform(shapely.box(0, 0, 4000, 4000), lambda metres: CENTRE + metres / SCALE)
    times = np.arange(1, BORDER_S + 1) * 1_000_000
    told = Crossings([zone], fence).feed(np.zeros(BORDER_S, np.int32), times, lon, lat, accuracy)
    if not (told.events["kind"] == ENTER).any():
        raise Mismatch("a track along a border has never entered")
    return int((told.events["kind"] == EXIT).sum())


def real(folder: Path, count: int = CITY) -> tuple[list[Any], list[Any]]:
    """2,000 cells and 500 more with real borders, and five boroughs of up to 20,000 vertices and more."""
    drawn = []
    for name in ("nyc_boroughs.geojson", "naturalearth_110m_countries.geojson"):
        try:
            features = json.loads((folder / name).read_text(encoding="utf-8"))["features"]
        except FileNotFoundError as error:
            raise BenchError(
                f"{folder / name} is missing", "name the folder of the data with --data"
            ) from error
        drawn.append(shapely.make_valid(np.array([shape(feature["geometry"]) for feature in features])))
    boroughs, countries = drawn
    rng = np.random.default_rng(4)
    cells: list[Any] = []
    for areas, seeded in ((boroughs, count), (countries, count // 4)):
        whole = shapely.union_all(areas)
        seeds = inside(whole, seeded, rng)
        cells += list(voronoi(seeds, whole))
    return cells, list(boroughs)


def inside(area: Any, count: int, rng: np.random.Generator) -> Points:
    """Points in an area."""
    west, south, east, north = area.bounds
    shapely.prepare(area)
    found = np.empty((0, 2))
    while len(found) < count:
        tried = rng.uniform((west, south), (east, north), (4 * count, 2))
        found = np.concatenate((found, tried[shapely.intersects_xy(area, *tried.T)]))
    return found[:count]


def locate(polygons: list[Any], seed: int) -> tuple[float, float]:
    """Points a second of CPU time, ours and shapely's; raises Mismatch where they do not agree."""
    rng = np.random.default_rng(seed)
    each = LOCATED // (2 * len(polygons)) + 1
    west, south, east, north = shapely.bounds(polygons).T
    # Around every polygon as many: those of a city and those of the world are asked alike.
    lon = rng.uniform(west, east, (2 * each, len(polygons))).ravel()
    lat = rng.uniform(south, north, (2 * each, len(polygons))).ravel()
    locator = Locator(polygons)
    points: Any = shapely.points(lon[:COMPARED], lat[:COMPARED])
    tree = shapely.STRtree(polygons)
    tree.query(points[:10], predicate="intersects")
    our_s, found = timed(partial(locator.locate, lon, lat))
    their_s, pairs = timed(partial(tree.query, points, predicate="intersects"))
    first = found[0] < COMPARED
    ours = set(zip(found[0][first].tolist(), found[1][first].tolist(), strict=True))
    if ours != set(zip(*pairs.tolist(), strict=True)):
        raise Mismatch("points were located where shapely does not find them")
    return len(lon) / our_s, len(points) / their_s


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of CPU time, and what came of it."""
    begun = time.process_time()
    found = work()
    return time.process_time() - begun, found


if __name__ == "__main__":
    print(json.dumps(run(30, 1, print), indent=1))
