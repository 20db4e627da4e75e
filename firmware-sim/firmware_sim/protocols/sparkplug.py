"""A Sparkplug B edge node (3.0): births, data, death, and rebirth when it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from firmware_sim.protocols.protobuf import double, fields, number, text

INT64, UINT64, DOUBLE, BOOLEAN = 4, 8, 10, 11
NAMESPACE = "spBv1.0"
REBIRTH = "Node Control/Rebirth"
# Aliases are counted through the whole node, across its devices; the command has 1, bdSeq none.
FIRST_ALIAS = 10
NO_ALIAS = -1


class Message(NamedTuple):
    """What is to be published, QoS 0, not retained."""

    topic: str
    payload: bytes


class Metric(NamedTuple):
    """One metric in a payload; a birth gives the name, data the alias alone."""

    name: str
    alias: int  # or NO_ALIAS
    value: float | bool
    integer: bool = False  # bdSeq


def metric(one: Metric, time_ms: int, *, born: bool, historical: bool = False) -> bytes:
    """A metric as a message of its own."""
    told = text(1, one.name) if born else b""
    if one.alias >= 0:
        told += number(2, one.alias)
    told += number(3, time_ms)
    datatype = UINT64 if one.integer else BOOLEAN if isinstance(one.value, bool) else DOUBLE
    told += number(4, datatype)
    if historical:
        told += number(5, 1)
    if one.integer:
        return told + number(11, int(one.value))
    if isinstance(one.value, bool):
        return told + number(14, int(one.value))
    # NaN is a value that is not there.
    return told + (double(13, one.value) if one.value == one.value else number(7, 1))


def payload(time_ms: int, metrics: list[bytes], seq: int | None) -> bytes:
    """A payload; a death has no sequence number."""
    told = number(1, time_ms) + b"".join(text(2, one) for one in metrics)
    return told if seq is None else told + number(3, seq)


@dataclass(slots=True)
class EdgeNode:
    """One edge node and its devices. Call `will` before each connection, `birth` after it."""

    group: str
    node: str
    devices: dict[str, list[str]]  # device -> its metrics
    bd_seq: int = 255  # the first connection counts to 0
    _seq: int = field(default=0, init=False)
    _last: dict[tuple[str, str], float] = field(default_factory=dict, init=False)
    _alias: dict[tuple[str, str], int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        names = [(device, name) for device, metrics in self.devices.items() for name in metrics]
        self._alias = {name: FIRST_ALIAS + place for place, name in enumerate(names)}

    def topic(self, kind: str, device: str = "") -> str:
        """Topic of a message of this node, or of one of its devices."""
        return "/".join([NAMESPACE, self.group, kind, self.node, *([device] if device else [])])

    def will(self, time_ms: int) -> Message:
        """The will of the next connection: its death, under a new number."""
        self.bd_seq = (self.bd_seq + 1) % 256
        told = metric(Metric("bdSeq", NO_ALIAS, self.bd_seq, integer=True), time_ms, born=True)
        return Message(self.topic("NDEATH"), payload(time_ms, [told], None))

    def birth(self, time_ms: int) -> list[Message]:
        """NBIRTH, which begins the sequence at 0, and a DBIRTH for each device."""
        self._seq = 0
        told = [
            metric(Metric("bdSeq", NO_ALIAS, self.bd_seq, integer=True), time_ms, born=True),
            metric(Metric(REBIRTH, 1, value=False), time_ms, born=True),
        ]
        born = [Message(self.topic("NBIRTH"), payload(time_ms, told, 0))]
        for device, names in self.devices.items():
            metrics = [metric(self._metric(device, name), time_ms, born=True) for name in names]
            born.append(Message(self.topic("DBIRTH", device), payload(time_ms, metrics, self._next())))
        return born

    def data(
        self, device: str, values: dict[str, float], time_ms: int, *, historical: bool = False
    ) -> Message:
        """DDATA: aliases and values."""
        for name, value in values.items():
            self._last[device, name] = value
        metrics = [
            metric(self._metric(device, name), time_ms, born=False, historical=historical) for name in values
        ]
        return Message(self.topic("DDATA", device), payload(time_ms, metrics, self._next()))

    def node_data(self, time_ms: int) -> Message:
        """NDATA without a change: it counts all the same."""
        return Message(
            self.topic("NDATA"),
            payload(time_ms, [metric(Metric(REBIRTH, 1, value=False), time_ms, born=False)], self._next()),
        )

    def death(self, device: str, time_ms: int) -> Message:
        """DDEATH: the device is gone, the node is not."""
        return Message(self.topic("DDEATH", device), payload(time_ms, [], self._next()))

    def told_to_be_born(self, command: bytes) -> bool:
        """Whether an NCMD asks for a rebirth; what is no command is none."""
        try:
            return any(
                _rebirth(one)
                for place, one in fields(command)
                if place == 2 and isinstance(one, bytes)  # noqa: PLR2004 - metrics
            )
        except ValueError:
            return False

    def _metric(self, device: str, name: str) -> Metric:
        value = self._last.get((device, name), float("nan"))
        return Metric(name, self._alias[device, name], value)

    def _next(self) -> int:
        self._seq = (self._seq + 1) % 256
        return self._seq


def _rebirth(message: bytes) -> bool:
    told = dict(fields(message))
    named = told.get(1) == REBIRTH.encode() or told.get(2) == 1
    return named and told.get(14) == 1
