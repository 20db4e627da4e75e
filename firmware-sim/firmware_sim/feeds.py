"""Feeds: what a device of an MQTT platform publishes for each of its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from firmware_sim.plan import Unit
from firmware_sim.protocols import cameras, chirpstack, plain
from firmware_sim.worlds.world import Fix


class Message(NamedTuple):
    """What is to be published."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


class ChirpStackFeed:
    """A LoRaWAN device behind a network server: joins, then counts its uplinks; what is not heard is lost."""

    keeps = False

    def __init__(self, unit: Unit, chance: Random) -> None:
        self._endpoint = chirpstack.Endpoint(unit.address.lower(), unit.id, unit.fleet.profile)
        self._chance = chance
        self._joined = False

    def told(self, values: Mapping[str, float], ts_ms: int) -> list[Message]:
        """A join before the first uplink."""
        out = []
        if not self._joined:
            joined = chirpstack.join(self._endpoint, ts_ms, self._chance)
            out.append(Message(self._endpoint.topic("join"), joined, 1))
            self._joined = True
        up = chirpstack.uplink(self._endpoint, dict(values), ts_ms, self._chance)
        return [*out, Message(self._endpoint.topic("up"), up, 1)]

    def reboot(self) -> None:
        """It joins again and its counter begins anew."""
        self._endpoint.rejoin()
        self._joined = False


class OnvifFeed:
    """An ONVIF camera: the scene with everyone in view, and line counters, which are retained properties."""

    keeps = False

    def __init__(self, unit: Unit, chance: Random) -> None:
        del chance
        self._prefix = unit.address

    def told(self, values: Mapping[str, float], ts_ms: int) -> list[Message]:
        """One frame of the scene, one property a counter."""
        out = []
        for metric, value in values.items():
            if metric == "people":
                one = cameras.onvif_scene(self._prefix, "profile_1", int(value), ts_ms)
            else:
                rule = metric.removesuffix("-total")  # its direction
                one = cameras.onvif_count(self._prefix, rule, int(value), ts_ms)
            out.append(Message(one.topic, one.payload, 1, one.retain))
        return out

    def reboot(self) -> None:
        """Counters go on: the camera keeps them until its reset time."""


class FrigateFeed:
    """A camera behind Frigate: how many persons are in view, and now and then one that is tracked."""

    keeps = False

    def __init__(self, unit: Unit, chance: Random) -> None:
        self._camera, self._chance = unit.address, chance

    def told(self, values: Mapping[str, float], ts_ms: int) -> list[Message]:
        """A plain number, and sometimes an event that begins and ends."""
        one = cameras.frigate_count(self._camera, "person", int(values.get("people", 0)))
        out = [Message(one.topic, one.payload)]
        if self._chance.random() < 0.1:  # noqa: PLR2004 - some
            now = ts_ms / 1000
            tracked = (
                f"{now - 4:.6f}-{''.join(self._chance.choices('abcdefghijkmnpqrstuvwxyz23456789', k=6))}"
            )
            for kind in ("new", "end"):
                event = cameras.frigate_event(self._camera, kind, tracked, now - 4, now)
                out.append(Message(event.topic, event.payload))
        return out

    def reboot(self) -> None:
        """Nothing is kept."""


class ThingsBoardFeed:
    """A device behind a ThingsBoard gateway, which keeps what it cannot send."""

    keeps = True

    def __init__(self, unit: Unit, chance: Random) -> None:
        del chance
        self._device, self._known = unit.address, False

    def told(self, values: Mapping[str, float], ts_ms: int) -> list[Message]:
        """The gateway connects the device first."""
        out = [] if self._known else [Message(*plain.thingsboard_connect(self._device), 1)]
        self._known = True
        return [*out, Message(*plain.thingsboard({self._device: [(ts_ms, values)]}), 1)]

    def reboot(self) -> None:
        """It is connected anew."""
        self._known = False


class SenmlFeed:
    """A device that publishes SenML on the city's own topic, and keeps what it cannot send."""

    keeps = True

    def __init__(self, unit: Unit, chance: Random) -> None:
        del chance
        self._topic = f"city/v1/{unit.fleet.department}/{unit.id}/telemetry"

    def told(self, values: Mapping[str, float], ts_ms: int) -> list[Message]:
        """One pack a sample."""
        return [Message(self._topic, plain.senml(ts_ms, values), 1)]

    def reboot(self) -> None:
        """Nothing to begin anew."""


class CityFeed:
    """A device on the city's own topics: its values, and where it is or who is where before it. Keeps what it cannot send."""

    keeps = True

    def __init__(self, unit: Unit, chance: Random) -> None:
        del chance
        self._topic = f"city/v1/{unit.fleet.department}/{unit.id}"
        self._behind_ms = round(unit.fleet.clock_behind_s * 1000)

    def told(self, values: Mapping[str, float], ts_ms: int) -> list[Message]:
        """One message a sample; none where it measures nothing but places."""
        payload = plain.values(ts_ms - self._behind_ms, values)
        return [Message(f"{self._topic}/telemetry", payload, 1)] if values else []

    def placed(self, fixes: Sequence[Fix], ts_ms: int) -> list[Message]:
        """All places of one moment in one message; none where there is nobody."""
        payload = plain.positions(ts_ms - self._behind_ms, fixes)
        return [Message(f"{self._topic}/position", payload, 1)] if fixes else []

    def reboot(self) -> None:
        """Nothing to begin anew."""


Feed = ChirpStackFeed | OnvifFeed | FrigateFeed | ThingsBoardFeed | SenmlFeed | CityFeed

FEEDS: dict[str, type[Feed]] = {
    "chirpstack": ChirpStackFeed,
    "onvif": OnvifFeed,
    "frigate": FrigateFeed,
    "thingsboard": ThingsBoardFeed,
    "senml": SenmlFeed,
    "city": CityFeed,
}
