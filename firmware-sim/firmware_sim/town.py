"""The town: every device of a scenario with its firmware, and the links on which it speaks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import BinaryIO

from firmware_sim.backlog import Backlog
from firmware_sim.feeds import FEEDS, CityFeed, Feed, Message
from firmware_sim.field import Sample
from firmware_sim.links.http import Poster
from firmware_sim.links.mqtt import Broker, Edge
from firmware_sim.links.served import Doors
from firmware_sim.links.tcp import Line, Lines
from firmware_sim.papers import GROUP, node
from firmware_sim.plan import MQTT, SERVED, TCP, Unit
from firmware_sim.posts import Firmware, firmware, registers, sensor
from firmware_sim.protocols.modbus import Slave
from firmware_sim.protocols.plain import senml
from firmware_sim.protocols.sdi12 import Bus
from firmware_sim.protocols.sparkplug import EdgeNode
from firmware_sim.scenario import Scenario
from firmware_sim.uplink import Uplink
from firmware_sim.wire import encode
from firmware_sim.worlds.world import Moving

BUSY = 20  # messages a station keeps before a run at full speed waits for it
TURN_S = 0.02  # how long one turn waits on a socket


@dataclass(frozen=True, slots=True)
class Ways:
    """Where each protocol goes."""

    to: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    listen: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    mqtt: str = ""
    token: str = ""
    paper: BinaryIO | None = None

    def has(self, protocol: str) -> bool:
        """Whether devices of a protocol can speak to anyone."""
        if self.paper is not None:
            return protocol not in SERVED
        if protocol in MQTT:
            return bool(self.mqtt)
        return protocol in (self.listen if protocol in SERVED else self.to)


class Town:
    """Takes samples to their devices' firmware and their messages onto the links. One thread drives it."""

    def __init__(self, scenario: Scenario, ways: Ways, seed: int, *, settable: bool = True) -> None:
        self.silent: dict[str, int] = {}  # devices of protocols that have no way
        self._mute: set[str] = set()
        self.printed = 0
        self.reboots: list[tuple[float, str]] = []
        self.uplink: Uplink | None = None
        self._ways, self._world = ways, scenario.world
        self._units = {unit.id: unit for unit in scenario.units if self._can_speak(unit)}
        self._chance = Random(f"{seed}/town")  # noqa: S311 - reboots, not secrets
        self._second = self._true_s = 0.0
        self._posts: dict[str, Firmware] = {}
        self._busy: Firmware | None = None  # the station that sampled last
        self._feeds: dict[str, Feed] = {}
        self._held: dict[str, list[Message]] = {}
        self._last: dict[str, Mapping[str, float]] = {}
        self._lines, self._doors = Lines(seed), Doors()
        self._broker: Broker | None = None
        self._poster: Poster | None = None
        self._edges: dict[str, Edge] = {}
        for unit in self._units.values():
            self._settle(unit, seed, settable=settable)
        if ways.paper is None:
            self._open(scenario, seed)

    def _can_speak(self, unit: Unit) -> bool:
        protocol = unit.fleet.protocol
        if not self._ways.has(protocol):
            self.silent[protocol] = self.silent.get(protocol, 0) + 1
            self._mute.add(unit.id)
        return self._ways.has(protocol)

    def _settle(self, unit: Unit, seed: int, *, settable: bool) -> None:
        protocol = unit.fleet.protocol
        if protocol in TCP:
            post = self._posts[unit.id] = firmware(unit, seed, settable=settable)
            if self._ways.paper is None:
                address = self._ways.to[protocol]
                self._lines.add(Line(unit.id, post, address, self._up(unit), cuts="h" in unit.deviations))
        elif protocol in FEEDS:
            chance = Random(f"{seed}/{unit.id}/feed")  # noqa: S311 - ids, not secrets
            self._feeds[unit.id] = FEEDS[protocol](unit, chance)

    def _up(self, unit: Unit) -> Callable[[], bool]:
        world = self._world
        return (lambda: world.connected(unit, self._second)) if world else (lambda: True)

    def _open(self, scenario: Scenario, seed: int) -> None:
        ways, units = self._ways, list(self._units.values())
        if "jsonlines" in ways.to and (
            scenario.parts or any(unit.fleet.protocol == "jsonlines" for unit in units)
        ):
            self.uplink = Uplink(*ways.to["jsonlines"], Backlog(), seed)
        if self._feeds:
            self._broker = Broker(ways.mqtt, f"sim-feeds-{seed}")
        if any(unit.fleet.protocol == "http" for unit in units):
            self._poster = Poster(*ways.to["http"], ways.token)
        nodes: dict[str, dict[str, list[str]]] = {}
        for unit in units:
            if unit.fleet.protocol == "sparkplug":
                nodes.setdefault(node(unit), {})[unit.address] = list(unit.fleet.measure)
        self._edges = {
            name: Edge(ways.mqtt, EdgeNode(GROUP, name, devices)) for name, devices in nodes.items()
        }
        asked = {kind: [unit for unit in units if unit.fleet.protocol == kind] for kind in SERVED}
        if asked["modbus"]:
            slave = Slave({int(unit.address): registers(unit, self._last) for unit in asked["modbus"]})
            self._doors.open("modbus", *ways.listen["modbus"], slave)
        if asked["sdi12"]:
            bus = Bus([sensor(unit, self._last) for unit in asked["sdi12"]])
            self._doors.open("sdi12", *ways.listen["sdi12"], bus)
        for kind, port in self._doors.ports.items():
            print(f"{kind} listens on port {port}", file=sys.stderr)  # noqa: T201 - a command's output

    # --- the run's side

    def sampled(self, sample: Sample, ts_ms: int, true_s: float) -> None:
        """A device sampled: let its firmware decide what is told, and when."""
        self._second, self._true_s = sample.second, true_s
        unit = self._units.get(sample.device)
        if unit is None and sample.device in self._mute:
            return
        if unit is None:
            self._line_of_json(sample, ts_ms)
            return
        self._reboot_perhaps(unit)
        # A register holds what was measured last, also where this sample has no value.
        self._last[unit.id] = {**self._last.get(unit.id, {}), **sample.values}
        protocol = unit.fleet.protocol
        if protocol in TCP:
            post = self._posts[unit.id]
            post.sampled(sample.values, true_s)
            # A run at full speed waits for a station that has much to say, but not for one that is cut off: the story
            # would never reach the second at which its link comes back.
            self._busy = post if self._up(unit)() else None
            if self._ways.paper is None:
                self._lines.wake(unit.id)
            else:
                self._print_frames(unit)
        elif protocol in FEEDS:
            self._publish(unit, sample.values, ts_ms)
        elif protocol == "sparkplug":
            self._told_to_edge(unit, sample.values, ts_ms)
        elif protocol == "http":
            self._post(unit, sample.values, ts_ms)
        elif protocol == "jsonlines":
            self._line_of_json(sample, ts_ms)

    def work(self, wait_s: float) -> None:
        """Bring messages on their way, for at most so long."""
        if self._ways.paper is not None:
            if wait_s > 0:
                self._ways.paper.flush()
                time.sleep(wait_s)
            return
        now = time.monotonic()
        others = self._lines.lines or self._broker or self._poster or self._edges or self._doors.ports
        if self.uplink is not None:
            self.uplink.work(0 if others else wait_s)
        if not others:
            return
        for link in (self._broker, self._poster):
            if link is not None:
                link.work()
        for edge in self._edges.values():
            edge.work()
        self._doors.work(0)
        turn = min(wait_s, TURN_S)
        self._lines.work(turn if self._lines.lines else 0, now, self._true_s)
        if not self._lines.lines and turn > 0:
            time.sleep(turn)

    @property
    def on_paper(self) -> bool:
        """Whether all is written, and nothing sent."""
        return self._ways.paper is not None

    @property
    def full(self) -> bool:
        """Whether what is told now would only push something else out."""
        if self.uplink is not None and self.uplink.full:
            return True
        if self._broker is not None and self._broker.full:
            return True
        return self._busy is not None and self._busy.outbox.waiting > BUSY

    @property
    def waiting(self) -> int:
        """Messages that are not settled."""
        links = [link for link in (self.uplink, self._broker, self._poster) if link is not None]
        return sum(link.waiting for link in [*links, *self._edges.values()]) + self._lines.waiting

    def close(self) -> None:
        """End all links."""
        for link in (self.uplink, self._broker, self._poster, *self._edges.values()):
            if link is not None:
                link.close()
        self._lines.close()
        self._doors.close()

    def conclusion(self) -> list[str]:
        """What became of the messages, a line each."""
        told = []
        boxes = [post.outbox for post in self._posts.values()]
        if boxes and self._ways.paper is None:
            told.append(
                f"{len(boxes)} stations: sent {sum(box.sent for box in boxes)} messages "
                f"({sum(box.resent for box in boxes)} of them again), "
                f"acknowledged {sum(box.acknowledged for box in boxes)}, "
                f"dropped {sum(box.dropped for box in boxes)}, lost at reboots "
                f"{sum(box.forgotten for box in boxes)}, without an answer {sum(box.waiting for box in boxes)}"
            )
        if self._broker is not None:
            told.append(f"published {self._broker.published} messages, dropped {self._broker.dropped}")
        if self._edges:
            births = sum(edge.births for edge in self._edges.values())
            told.append(f"sparkplug: {sum(e.published for e in self._edges.values())} data, {births} births")
        if self._poster is not None:
            told.append(f"posted {self._poster.taken}, refused {self._poster.refused}")
        for protocol, count in sorted(self.silent.items()):
            told.append(f"{count} devices of {protocol} had no way to speak")
        return told

    # --- one device

    def _reboot_perhaps(self, unit: Unit) -> None:
        often = unit.fleet.reboots_per_day * unit.fleet.every_s / 86400
        if often and self._chance.random() < often:
            self.reboots.append((self._second, unit.id))
            for device in (self._posts.get(unit.id), self._feeds.get(unit.id)):
                if device is not None:
                    device.reboot()

    def _line_of_json(self, sample: Sample, ts_ms: int) -> None:
        line = encode(sample.device, ts_ms, sample.values)
        if self._ways.paper is not None:
            self._ways.paper.write(line)
            self.printed += 1
        elif self.uplink is not None:
            self.uplink.offer(line)

    def _publish(self, unit: Unit, values: Mapping[str, float], ts_ms: int) -> None:
        feed = self._feeds[unit.id]
        messages = feed.told(values, ts_ms)
        if (
            isinstance(feed, CityFeed)
            and isinstance(self._world, Moving)
            and "position" in unit.fleet.measure
        ):
            messages += feed.placed(self._world.fixes(unit, self._second), ts_ms)
        if self._ways.paper is not None:
            for one in messages:
                self._print({"topic": one.topic, "payload": one.payload.decode()})
        elif self._broker is not None:
            held = self._held.setdefault(unit.id, [])
            if self._world is not None and not self._world.connected(unit, self._second):
                held.extend(messages if feed.keeps else [])
                return
            for one in [*held, *messages]:
                self._broker.offer(one)
            held.clear()

    def _told_to_edge(self, unit: Unit, values: Mapping[str, float], ts_ms: int) -> None:
        if self._ways.paper is not None:
            self._print({"device": unit.id, "ts": ts_ms, "values": dict(values)})
            return
        edge = self._edges[node(unit)]
        edge.told(unit.address, dict(values), ts_ms)
        if self._world is not None:
            edge.allowed(up=self._world.connected(unit, self._second))

    def _post(self, unit: Unit, values: Mapping[str, float], ts_ms: int) -> None:
        if self._ways.paper is not None:
            self._print({"device": unit.id, "senml": json.loads(senml(ts_ms, values))})
        elif self._poster is not None:
            self._poster.offer(unit.id, senml(ts_ms, values))

    def _print_frames(self, unit: Unit) -> None:
        post = self._posts[unit.id]
        while message := post.outbox.drained():
            self._print({"device": unit.id, "protocol": unit.fleet.protocol, "hex": message.hex().upper()})

    def _print(self, line: Mapping[str, object]) -> None:
        assert self._ways.paper is not None  # noqa: S101 - only called on paper
        self._ways.paper.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        self.printed += 1
