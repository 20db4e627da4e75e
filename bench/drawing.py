"""The plot of docs/checks/quality.md: each check on a made-up series through the hub's own kernel, as SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.checks.company import Neighbour
from alerts.checks.quality import Quality
from edge.reading import FAIL, READING, SUSPECT, UNEVALUATED

TARGET = Path(__file__).parents[1] / "docs" / "checks" / "quality.svg"
WIDTH, HEIGHT, MARGIN, HEAD = 380, 120, 14, 24
STEP_US = 300_000_000
BEGIN_US = 1_790_000_000_000_000
HERE, OTHER = 1, 2
STYLE = """<style>
polyline { fill: none } .here { stroke: #345; stroke-width: 1.3 } .other { stroke: #8ab; stroke-width: .8 }
.suspect { fill: #e07b00 } .fail { stroke: #c00; stroke-width: 2; fill: none }
</style>"""


@dataclass(slots=True)
class Scene:
    """A check and a series that shows it; `other` is what it is held against, if anything."""

    title: str
    values: NDArray[np.float64]
    checks: dict[str, Any]
    other: NDArray[np.float64] | None = None
    neighbour: Neighbour | None = None
    times: NDArray[np.int64] = field(default_factory=lambda: BEGIN_US + np.arange(120) * STEP_US)


def scenes() -> Iterator[Scene]:
    """One for each check, two hours before to ten hours after."""
    chance = np.random.default_rng(4)
    place = np.arange(120)
    calm = 2 + 0.5 * np.sin(place / 15) + chance.normal(0, 0.03, 120)

    def with_(**changes: float) -> NDArray[np.float64]:
        changed = calm.copy()
        for name, value in changes.items():
            changed[int(name[1:])] = value
        return changed

    def spell(start: int, end: int = 120) -> NDArray[np.bool_]:
        return (place > start) & (place < end)

    yield Scene(
        "gross range: suspect above 2.6, fail above 4",
        with_(_40=3.2, _41=3.4, _80=4.6),
        {"gross_range": {"fail": (0, 4), "suspect": (0, 2.6)}},
    )
    yield Scene(
        "spike: one reading off, and the first of a step",
        with_(_40=3.6) + spell(80),
        {"spike": {"suspect": 0.5}},
    )
    yield Scene(
        "rate of change: faster than 0.4 in five minutes",
        calm + np.clip((place - 60) * 0.45, 0, 1.8),
        {"rate_of_change": {"per_s": 0.4 / 300, "fail_per_s": 1 / 300}},
    )
    yield Scene(
        "flat line: an hour, two hours",
        np.where(spell(40, 75), 1.9, calm),
        {"flat_line": {"tolerance": 0.01, "suspect_s": 3_600, "fail_s": 7_200}},
    )
    yield Scene(
        "attenuated signal: less than 0.1 in two hours",
        np.where(spell(40, 90), 1.9 + (calm - 1.9) * 0.02, calm),
        {"attenuated_signal": {"window_s": 7_200, "suspect": 0.1}},
    )
    yield Scene(
        "climatology: from 16 to 18 h not above 2.2",
        calm,
        {"climatology": {"spans": [{"hours": (16, 17), "suspect": (0, 2.2)}]}},
    )
    silent = np.concatenate([np.arange(50), np.arange(70, 120)])
    yield Scene(
        "gap: silent for more than an hour",
        calm[silent],
        {"gap": {"suspect_s": 3_600}},
        times=BEGIN_US + silent * STEP_US,
    )
    twice = np.sort(np.concatenate([place, [60]]))
    yield Scene(
        "duplicate time: a second reading of the same time",
        np.insert(calm, 61, 3.0),
        {"duplicate_time": "suspect"},
        times=BEGIN_US + twice * STEP_US,
    )
    yield Scene(
        "neighbour: more than 0.3 away from its twin (thin line)",
        calm + np.clip((place - 60) / 60, 0, 1),
        {},
        other=calm + chance.normal(0, 0.05, 120),
        neighbour=Neighbour(0.3, 900),
    )
    lamp = ((place // 30) % 2).astype(np.float64)
    current = 0.012 + lamp * 2.2 + chance.normal(0, 0.02, 120)
    current[70:76], current[100:104] = 2.2, 0.01
    yield Scene(
        "multi-variate: current while the lamp (thin line) is off, on",
        current,
        {
            "multivariate": {
                "max_age_s": 60,
                "ranges": [{"when": (0, 0), "suspect": (-1, 0.3)}, {"when": (1, 1), "suspect": (0.2, 5)}],
            }
        },
        other=lamp,
    )


def judged(scene: Scene) -> NDArray[np.uint8]:
    """The flags of a scene."""
    quality = Quality()
    quality.configure(np.array([OTHER]), {})
    quality.configure(np.array([HERE]), scene.checks)
    quality.follow(HERE, OTHER)
    if scene.neighbour:
        quality.compare([(HERE, OTHER, scene.neighbour)])
    rows = np.zeros(2 * len(scene.values), READING)
    rows["series"][::2], rows["series"][1::2] = OTHER, HERE
    rows["time"], rows["flag"] = scene.times.repeat(2), UNEVALUATED
    rows["value"][1::2] = scene.values
    if scene.other is not None:
        rows["value"][::2] = scene.other
    newer = np.repeat(np.diff(scene.times, prepend=0) > 0, 2)
    quality.mark(rows, newer)
    return rows["flag"][1::2]


def panel(scene: Scene, left: int, top: int) -> Iterator[str]:
    """The marks of one scene: a triangle for suspect, a cross for fail."""
    x = MARGIN + (scene.times - scene.times[0]) / (scene.times[-1] - scene.times[0]) * (WIDTH - 2 * MARGIN)
    low, high = scene.values.min(), scene.values.max()

    def y(values: NDArray[np.float64]) -> NDArray[np.float64]:
        drawn = HEIGHT - MARGIN - (values - low) / (high - low) * (HEIGHT - MARGIN - HEAD - 6)
        return np.asarray(drawn, np.float64)

    yield f'<g transform="translate({left} {top})"><text x="{MARGIN}" y="15">{scene.title}</text>'
    if scene.other is not None:
        yield f'<polyline class="other" points="{_points(x, y(scene.other))}"/>'
    yield f'<polyline class="here" points="{_points(x, y(scene.values))}"/>'
    for at, height, flag in zip(x, y(scene.values), judged(scene), strict=True):
        if flag == SUSPECT:
            yield f'<path class="suspect" d="M{at:.1f} {height - 5:.1f}l4 7h-8z"/>'
        elif flag == FAIL:
            yield f'<path class="fail" d="M{at - 4:.1f} {height - 4:.1f}l8 8m0 -8l-8 8"/>'
    yield "</g>"


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    return " ".join(f"{one:.1f},{other:.1f}" for one, other in zip(x, y, strict=True))


def draw() -> str:
    """The whole plot."""
    shown = list(scenes())
    size = (2 * WIDTH, (len(shown) + 1) // 2 * HEIGHT)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" font-family="sans-serif" font-size="12">',
        STYLE,
        f'<rect width="{size[0]}" height="{size[1]}" fill="#fff"/>',
    ]
    for place, scene in enumerate(shown):
        lines += panel(scene, place % 2 * WIDTH, place // 2 * HEIGHT)
    return "\n".join([*lines, "</svg>\n"])


if __name__ == "__main__":
    TARGET.write_text(draw())
