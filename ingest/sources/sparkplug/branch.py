"""What a birth declares: the metrics of an edge node, or of one device behind it, and what they are called here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.sources.said import Said, Sample
from ingest.sources.sparkplug import names, values
from ingest.sources.sparkplug.payload import BAD, GOOD, STALE, Metric, Payload

ONLINE = "online"
"""The metric in which births (1) and deaths (0) are told."""
ELEMENTS_LIMIT = 64  # of an array: more would make a series each
NOTES_LIMIT = 5  # examples in one note
NOTED_LIMIT = 20  # notes of one message
LATEST_MS = 1 << 52  # beyond any calendar; keeps a lying clock within 64 bits of microseconds
FUTURE_US = 5 * 60 * 1_000_000  # as far ahead as the hub stores
OWN = ("Node Control/", "Device Control/", "Node Info/", "Device Info/")
"""What an edge node says of itself, and measures nothing."""
BDSEQ = "bdSeq"


@dataclass(slots=True)
class Known:
    """A metric by its birth."""

    name: str
    metric: str | None  # our name for it; None: it is not taken
    datatype: int
    unit: str | None
    newest_us: int = 0
    width: int = 0  # elements of an array


@dataclass(slots=True)
class Branch:
    """One that is born and dies: an edge node itself, or a device behind it."""

    online: bool = False
    current: bool = False  # declared in this session of the edge node
    by_name: dict[str, Known] = field(default_factory=dict)
    by_alias: dict[int, str] = field(default_factory=dict)

    def born(self, payload: Payload) -> list[str]:
        """Learn what a birth declares; returns what is wrong with it or cannot be taken."""
        self.online = self.current = True
        newest = {name: known.newest_us for name, known in self.by_name.items()}
        self.by_name, self.by_alias = {}, {}
        used: dict[str, str] = {ONLINE: "the hub's own metric"}
        left: dict[str, list[str]] = {}
        for name, metric in _named(payload.metrics, "", left):
            self._alias(name, metric, left)
            if metric.members or is_own(name):
                continue
            datatype = metric.datatype or values.EVIDENT.get(metric.carrier or "", 0)
            known = Known(name, names.metric_name(name), datatype, None, newest.get(name, 0))
            if metric.transient:
                _leave(known, left, "transient: not to be stored", name)
            elif datatype not in values.NUMBERS | values.NUMBER_ARRAYS:
                _leave(known, left, "no numbers", f"{name} ({values.datatype_name(datatype)})")
            elif known.metric in used:
                _leave(known, left, "same name here", f"{name} and {used[known.metric or '']}")
            else:
                used[known.metric or ""] = name
            if metric.unit is not None and known.metric is not None:
                known.unit = names.unit(metric.unit)
                if known.unit is None:
                    left.setdefault("unit unknown, value taken", []).append(f"{name} in {metric.unit:.20}")
            self.by_name[name] = known
        return [
            f"{reason}: {', '.join(f'{one:.80}' for one in found[:NOTES_LIMIT])}"
            + (f" and {len(found) - NOTES_LIMIT} more" if len(found) > NOTES_LIMIT else "")
            for reason, found in left.items()
        ]

    def take(self, address: str, payload: Payload, arrived_us: int) -> tuple[list[Said], bool]:
        """The samples of a message, and whether the birth explained it all; what is historical comes apart."""
        live, old = Said(address, []), Said(address, [], late=True)
        explained = True
        for name, metric, time_ms in self._found(payload.metrics, "", payload.time_ms):
            if name and (is_own(name) or _is_container(metric)):
                continue
            declared = self.by_name.get(name) if name and self.current else None
            explained = explained and declared is not None
            known = declared or _stranger(name, metric)
            said = old if metric.historical else live
            if known is None:
                said.notes.append(f"{name or f'alias {metric.alias}'!s:.80}: no birth explains it")
            elif known.metric is not None:
                at = arrived_us if time_ms is None else min(time_ms, LATEST_MS) * 1000
                _take_one(said, known, metric, at)
                if at < arrived_us + FUTURE_US:  # else a lying clock would keep its death from being stored
                    known.newest_us = max(known.newest_us, at)
        for said in (live, old):
            if len(said.notes) > NOTED_LIMIT:
                said.notes[NOTED_LIMIT:] = [f"and {len(said.notes) - NOTED_LIMIT} more"]
        return [said for said in (live, old) if said.samples or said.notes], explained

    def died(self, address: str, at: int) -> Said:
        """Offline at a time: every metric has no value any more (STALE), also where its last one bears this very time."""
        samples: list[Sample] = [(ONLINE, at, 0.0, None)]
        for known in self.by_name.values():
            if known.metric is None:
                continue
            time_us = max(at, known.newest_us + 1)
            samples += [(name, time_us, float("nan"), known.unit) for name in _spread(known)]
        self.online = self.current = False
        self.by_name, self.by_alias = {}, {}
        return Said(address, samples)

    def _alias(self, name: str, metric: Metric, left: dict[str, list[str]]) -> None:
        if metric.alias is None:
            return
        if metric.alias in self.by_alias:
            left.setdefault("alias used twice, the first counts", []).append(f"{metric.alias} by {name}")
        else:
            self.by_alias[metric.alias] = name

    def _found(
        self, metrics: list[Metric], above: str, base: int | None
    ) -> Iterator[tuple[str, Metric, int | None]]:
        """Every metric with its whole name ("" where an alias means nothing) and its time."""
        for metric in metrics:
            time_ms = base if metric.time_ms is None else metric.time_ms
            if metric.name is not None:
                name = above + metric.name
            else:
                name = (
                    self.by_alias.get(-1 if metric.alias is None else metric.alias, "")
                    if self.current
                    else ""
                )
            yield name, metric, time_ms
            if name and metric.members and not metric.definition:
                yield from self._found(metric.members, f"{name}/", time_ms)


def _named(metrics: list[Metric], above: str, left: dict[str, list[str]]) -> Iterator[tuple[str, Metric]]:
    for metric in metrics:
        if not metric.name:
            left.setdefault("born without a name", []).append(f"alias {metric.alias}")
        elif not metric.definition:
            yield above + metric.name, metric
            yield from _named(metric.members, f"{above}{metric.name}/", left)


def _is_container(metric: Metric) -> bool:
    """Whether it only holds others: a template with its members, or the definition of one."""
    return metric.definition or (metric.carrier == "template_value" and not metric.null)


def is_own(name: str) -> bool:
    """Whether a metric is the edge node's word about itself."""
    return name == BDSEQ or name.startswith(OWN)


def _leave(known: Known, left: dict[str, list[str]], reason: str, name: str) -> None:
    known.metric = None
    left.setdefault(reason, []).append(name)


def _stranger(name: str, metric: Metric) -> Known | None:
    """A metric that no birth has declared, where it says enough of itself: its name, and what its number means."""
    datatype = metric.datatype or values.EVIDENT.get(metric.carrier or "", 0)
    if not name or metric.transient or datatype not in values.NUMBERS | values.NUMBER_ARRAYS:
        return None
    return Known(name, names.metric_name(name), datatype, None)


def _take_one(said: Said, known: Known, metric: Metric, at: int) -> None:
    try:
        said.samples += _samples(known, metric, at)
    except values.OutOfType as error:
        said.notes.append(f"{known.name:.80}: {error}")
        return
    if metric.quality not in (None, BAD, STALE, GOOD):
        said.notes.append(
            f"{known.name:.80}: quality {metric.quality} is none of 0, 192 and 500; value taken"
        )


def _samples(known: Known, metric: Metric, at: int) -> list[Sample]:
    """The numbers of one metric. Raises OutOfType."""
    if metric.null or metric.quality in (BAD, STALE):
        return [(name, at, float("nan"), known.unit) for name in _spread(known)]
    if metric.carrier is None:
        raise values.OutOfType("neither a value nor is_null")
    if known.datatype in values.NUMBERS:
        # A message that says its datatype, as it should not, knows best what it carries.
        datatype = metric.datatype if metric.datatype in values.NUMBERS else known.datatype
        return [(known.metric or "", at, values.number(datatype, metric.carrier, metric.raw), known.unit)]
    if metric.carrier != "bytes_value":
        raise values.OutOfType(f"{metric.carrier} is no {values.datatype_name(known.datatype)}")
    found = values.elements(known.datatype, metric.raw)
    if len(found) > ELEMENTS_LIMIT:
        raise values.OutOfType(f"an array of {len(found)}; up to {ELEMENTS_LIMIT} are taken")
    known.width = max(known.width, len(found))
    return [
        (names.metric_name(f"{known.name}/{place}"), at, float(value), known.unit)
        for place, value in enumerate(found, 1)
    ]


def _spread(known: Known) -> list[str]:
    """The names of all that a metric measures: those of the elements of an array."""
    if known.datatype in values.NUMBERS:
        return [known.metric or ""]
    return [names.metric_name(f"{known.name}/{place}") for place in range(1, known.width + 1)]
