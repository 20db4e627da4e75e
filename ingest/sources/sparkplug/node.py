"""One edge node as a host knows it: alive or not, its devices, its births, and its messages in their order."""

from __future__ import annotations

from typing import NamedTuple

from ingest.sources.said import Said
from ingest.sources.sparkplug import values
from ingest.sources.sparkplug.branch import BDSEQ, ONLINE, Branch
from ingest.sources.sparkplug.order import ROUND, Order, Turn
from ingest.sources.sparkplug.payload import Metric, Payload

HELD_LIMIT = 64
DEVICES_LIMIT = 2_000


class Heard(NamedTuple):
    """A message of the node: what it is, of which device ("" of the node itself), what it says and when it came."""

    kind: str  # BIRTH, DATA or DEATH
    device: str
    payload: Payload
    arrived_us: int
    weight: int  # bytes on the wire


class Node:
    """The session of one edge node. `address` is group/edge."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.branches: dict[str, Branch] = {"": Branch()}
        self.order: Order | None = None  # None: no birth is known
        self.bdseq: int | None = None
        self.held: list[Heard] = []
        self.holds = 0  # bytes, of the messages that are held
        self.wants_birth = ""  # why
        self.heard_us = self.born_us = 0
        self.metrics = 0  # that it has declared
        self._births_due = False  # the births of its devices are still to come

    def overdue(self, now_us: int, patience_us: int) -> bool:
        """Whether a message has been missing for too long."""
        since = self.order.since_us if self.order else None
        return since is not None and now_us - since >= patience_us

    def hear(self, heard: Heard) -> list[Said]:
        """Take one message; what it releases of those that were held comes with it."""
        self.heard_us = heard.arrived_us
        seq = heard.payload.seq
        if not heard.device and heard.kind != "DATA":
            return self._session(heard)
        said = self.release()
        if self.order is None:
            self.wants_birth = "no birth is known"
            return said + self._pass(heard)
        if seq is None or seq >= ROUND:
            note = f"seq {seq}: none of 0 to 255, its order is unknown"
            return [*said, *self._pass(heard), Said(self._address(heard.device), [], [note])]
        return said + self._by_turn(self.order, seq, heard)

    def give_up_waiting(self) -> None:
        """What is missing will not come: the state is unknown until the next birth."""
        if self.order is not None:
            missing = self.order.give_up()
            self.wants_birth = f"{missing or 'some'} messages are missing"
            self._births_due = False  # a birth may be among them: nobody is left out for certain

    def _session(self, heard: Heard) -> list[Said]:
        """A birth or death of the node itself. What was held belongs to the session before."""
        bdseq = _bdseq(heard.payload)
        if heard.kind == "DEATH" and self.order is not None and self.bdseq not in (None, bdseq):
            note = f"death of bdSeq {bdseq}, the present birth has {self.bdseq}: not of this session, ignored"
            return [Said(self.address, [], [note])]
        if self.order is not None:
            self.order.give_up()
        said = self.release()
        return said + (self._node_birth(heard, bdseq) if heard.kind == "BIRTH" else self._node_death(heard))

    def _by_turn(self, order: Order, seq: int, heard: Heard) -> list[Said]:
        turn = order.take(seq, heard.arrived_us)
        if turn is Turn.AHEAD:
            self.held.append(heard)
            self.holds += heard.weight
            if len(self.held) <= HELD_LIMIT:
                return []
            self.give_up_waiting()
            return self.release()
        if turn is Turn.BEHIND and heard.kind != "DATA":
            note = f"{heard.kind.lower()} with seq {seq}, expected {order.next}: comes again or too late, not taken"
            return [Said(self._address(heard.device), [], [note])]
        return self._pass(heard) + self.release()

    def release(self) -> list[Said]:
        """Take what was held and whose turn has come."""
        if not self.held:
            return []
        ahead = self.order.ahead if self.order else set()
        base = self.order.next if self.order else 0
        # What is ready lies behind `next`: the nearest to it, at the far end of the round, is the newest.
        ready = sorted(
            (one for one in self.held if one.payload.seq not in ahead),
            key=lambda one: ((one.payload.seq or 0) - base) % ROUND,
        )
        self.held = [one for one in self.held if one.payload.seq in ahead]
        self.holds = sum(one.weight for one in self.held)
        return [said for one in ready for said in self._pass(one)]

    def _pass(self, heard: Heard) -> list[Said]:
        if heard.kind == "BIRTH":
            return self._device_birth(heard)
        if heard.kind == "DEATH":
            return self._device_death(heard)
        branch = self.branches.get(heard.device) or Branch()
        said = self._left_out(heard) if self._births_due else []
        found, explained = branch.take(self._address(heard.device), heard.payload, heard.arrived_us)
        if not (explained and branch.current) and not self.wants_birth:
            self.wants_birth = "data that no birth explains"
        return said + found

    def _node_birth(self, heard: Heard, bdseq: int | None) -> list[Said]:
        for branch in self.branches.values():
            branch.current = False  # until it is declared anew
        seq = heard.payload.seq
        self.order, self._births_due = Order(seq if seq is not None and seq < ROUND else 0), True
        self.bdseq, self.wants_birth, self.born_us = bdseq, "", heard.arrived_us
        said = self._birth(heard)
        if seq is None or seq >= ROUND:
            said[0].notes.append(f"birth with seq {seq}: none of 0 to 255, taken as 0")
        if self.bdseq is None:
            said[0].notes.append("birth without bdSeq: any death will be believed")
        return said

    def _device_birth(self, heard: Heard) -> list[Said]:
        if heard.device not in self.branches:
            if len(self.branches) > DEVICES_LIMIT:
                note = f"more than {DEVICES_LIMIT} devices behind one edge node: not taken"
                return [Said(self._address(heard.device), [], [note])]
            self.branches[heard.device] = Branch()
        return self._birth(heard)

    def _birth(self, heard: Heard) -> list[Said]:
        branch, address = self.branches[heard.device], self._address(heard.device)
        before = len(branch.by_name)
        notes = branch.born(heard.payload)
        self.metrics += len(branch.by_name) - before
        said = Said(address, [(ONLINE, _time_us(heard), 1.0, None)], notes)
        found, _ = branch.take(address, heard.payload, heard.arrived_us)
        for one in found:
            if not one.late:
                said.samples += one.samples
                said.notes += one.notes
        return [said, *(one for one in found if one.late)]

    def _device_death(self, heard: Heard) -> list[Said]:
        return [self._end(heard.device, _time_us(heard))]

    def _node_death(self, heard: Heard) -> list[Said]:
        # At the hub's time: a will was written long before it was published.
        ended = [device for device, branch in self.branches.items() if branch.online or not device]
        said = [self._end(device, heard.arrived_us) for device in ended]
        self.branches, self.metrics = {"": Branch()}, 0
        self.order, self.bdseq, self.wants_birth = None, None, ""
        return said

    def _end(self, device: str, at: int) -> Said:
        branch = self.branches.get(device) or Branch()
        self.metrics -= len(branch.by_name)
        return branch.died(self._address(device), at)

    def _left_out(self, heard: Heard) -> list[Said]:
        """The devices that the births of this session have left out: all births come before any data."""
        self._births_due = False
        gone = [
            device
            for device, branch in self.branches.items()
            if branch.online and not branch.current and device != heard.device
        ]
        return [self._end(device, heard.arrived_us) for device in gone]

    def _address(self, device: str) -> str:
        return f"{self.address}/{device}" if device else self.address


def _time_us(heard: Heard) -> int:
    time_ms = heard.payload.time_ms
    return heard.arrived_us if time_ms is None else min(time_ms, 1 << 52) * 1000


def _bdseq(payload: Payload) -> int | None:
    for metric in payload.metrics:
        if metric.name == BDSEQ:
            return _whole(metric)
    return None


def _whole(metric: Metric) -> int | None:
    if metric.carrier not in ("int_value", "long_value"):
        return None
    try:
        return int(values.number(metric.datatype or 8, metric.carrier, metric.raw))
    except values.OutOfType:
        return None
