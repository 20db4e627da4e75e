"""ThingsBoard: telemetry that its gateways and devices publish, read as ThingsBoard reads it.

Source: ThingsBoard's MQTT device and gateway APIs; the rules of numbers from its JsonConverter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from edge.wire import Malformed, shown
from ingest.sources import document, naming
from ingest.sources.said import Said, Sample

GATEWAY = "v1/gateway/telemetry"
DEVICE = ("v1/devices/me/telemetry", "v2/t", "v2/t/j")
SILENT = re.compile(
    r"(?:.*/)?v1/(?:gateway/(?:connect|disconnect|attributes(?:/.*)?|rpc|claim)|devices/me/(?:attributes|rpc|claim)(?:/.*)?)"
)
"""Topics that are known and say nothing measurable; the hub does not subscribe to them."""
LONG = 2**63


class ThingsBoard:
    """Reads what gateways publish for their devices, and what devices publish below a prefix that names them.

    On `v1/devices/me/telemetry` itself nobody is named, and MQTT tells no subscriber who published: there the broker must put
    `{prefix}/{device}/` before the topic (docs/protocols/thingsboard.md). A device of a gateway on the plain topic has its own
    name for an address, one behind `{prefix}/{gateway}/` the address `gateway/name`.
    """

    scheme = "thingsboard"

    def __init__(self, prefix: str = "tb") -> None:
        below = [f"{prefix}/+/{topic}" for topic in (*DEVICE, GATEWAY)]
        self.filters = (GATEWAY, *below)
        self._topic = re.compile(
            rf"(?:{re.escape(prefix)}/([^/]+)/)?({'|'.join(map(re.escape, (*DEVICE, GATEWAY)))})"
        )

    def read(self, topic: str, payload: bytes, arrived_us: int) -> list[Said]:
        """What a message says, device by device; raises Malformed."""
        found = self._topic.fullmatch(topic)
        if found is None or (found[1] is None and found[2] != GATEWAY):
            if SILENT.fullmatch(topic):
                return []
            raise Malformed(f"{topic:.120} names no device: a prefix before it must")
        body = document.parse(payload)
        if found[2] != GATEWAY:
            return [_device(found[1], body, arrived_us)]
        if not isinstance(body, dict):
            raise Malformed(f"{shown(body)} where a gateway names its devices")
        within = f"{found[1]}/" if found[1] else ""
        said = [_behind(f"{within}{name}", entries, arrived_us) for name, entries in body.items()]
        document.at_most(sum(len(each.samples) for each in said))
        return said


def _behind(address: str, entries: Any, arrived_us: int) -> Said:
    """One device of a gateway; what is wrong with one does not harm the others."""
    if not isinstance(entries, list):
        return Said(address, [], [f"{shown(entries)} where a list of telemetry is expected"])
    try:
        return _device(address, entries, arrived_us)
    except Malformed as error:
        return Said(address, [], [str(error)])


def _device(address: str, body: Any, arrived_us: int) -> Said:
    said = Said(address, [])
    for at_us, values in entries_of(body, arrived_us):
        for key, value in values.items():
            sample = _sample(key, value, at_us)
            if isinstance(sample, str):
                said.notes.append(sample)
            else:
                said.samples.append(sample)
    document.at_most(len(said.samples) + len(said.notes))
    return said


def entries_of(body: Any, arrived_us: int) -> Iterable[tuple[int, dict[str, Any]]]:
    """Time in us and values of `{"ts", "values"}`, of plain values, or of an array of either; raises Malformed."""
    for entry in body if isinstance(body, list) else [body]:
        if not isinstance(entry, dict):
            raise Malformed(f"{shown(entry)} where telemetry is expected")
        if "ts" in entry and "values" in entry:
            if not isinstance(entry["values"], dict):
                raise Malformed(f"values is {shown(entry['values'])}, not an object")
            yield document.epoch_ms(entry["ts"]), entry["values"]
        else:
            yield arrived_us, entry


def _sample(key: str, value: Any, at_us: int) -> Sample | str:
    """One value as a sample, or why it is none."""
    name, number = naming.metric(key), document.number(value)
    if not name:
        return f"{key!r:.80} cannot be a metric's name"
    if value is None:
        return name, at_us, float("nan"), None
    if number is None:
        return f"{key:.80} is {shown(value)}, no number"
    if abs(number) >= LONG:
        return f"{key:.80} is beyond 64 bits: ThingsBoard keeps it as text"
    return name, at_us, number, None
