"""Quotas: token buckets of devices and departments; what exceeds them waits its turn, and beyond that is refused.

Whoever stays within its quota never notices that another does not: what a runaway device sends is set down unread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ingest.registry import Device

PASS, HOLD, REFUSE = 0, 1, 2
"""What becomes of a message."""

NOBODY = 0
"""The device of senders that nobody knows: together they have one quota, and nothing of theirs is kept waiting."""

PIECE = 16 << 10
"""A message costs one token, and one more for each so many bytes that it is long."""

BUCKET = np.dtype([("rate", "f8"), ("room", "f8"), ("tokens", "f8"), ("seen_us", "i8")])
"""Tokens a second, how many the bucket holds, how many are in it, and when they were last counted."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What one sender may send: `messages_per_s` for ever, `burst` at once."""

    messages_per_s: float
    burst: float


DEVICE = Quota(100, 6_000)
DEPARTMENT = Quota(50_000, 500_000)
HELD_LIMIT = 10_000
"""So many messages of one device wait; what comes after them is refused and counted."""


class Quotas:
    """A bucket for each device and each department, by device id; and how many messages of each device wait."""

    def __init__(self, device: Quota = DEVICE, department: Quota = DEPARTMENT) -> None:
        self._device, self._department = device, department
        self._devices = _buckets(1, device)
        self._departments = _buckets(1, department)
        self._department_of: NDArray[np.int32] = np.zeros(1, np.int32)
        self._names: dict[str, int] = {}
        self._round = 0
        self.held: NDArray[np.int64] = np.zeros(1, np.int64)
        self.refused: NDArray[np.int64] = np.zeros(1, np.int64)

    def configure(self, devices: Iterable[Device], quotas: dict[str, Quota]) -> None:
        """Set the quotas of these devices; `quotas` are those that profiles state."""
        for device in devices:
            self._reach(device.id)
            place = self._names.setdefault(device.department, len(self._names) + 1)
            if place >= len(self._departments):
                more = _buckets(place + 1 - len(self._departments), self._department)
                self._departments = np.concatenate([self._departments, more])
            self._department_of[device.id] = place
            quota = quotas.get(device.profile, self._device)
            bucket = self._devices[device.id]
            bucket["rate"], bucket["room"] = quota.messages_per_s, quota.burst
            if not bucket["seen_us"]:
                bucket["tokens"] = quota.burst

    def admit(
        self, device: NDArray[np.int32], size: NDArray[np.int64], arrived: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Decide each message, in order: PASS, HOLD or REFUSE. By sender, bytes, and arrival in us."""
        self._reach(int(device.max(initial=0)))
        verdict = np.zeros(len(device), np.uint8)
        _admit(
            device,
            1 + size // PIECE,
            arrived,
            self._devices,
            self._departments,
            self._department_of,
            self.held,
            self.refused,
            verdict,
        )
        return verdict

    def grant(self, seconds: float) -> None:
        """The hub was away so long: what could not be taken meanwhile may come now, at once."""
        for buckets in (self._devices, self._departments):
            buckets["tokens"] = np.maximum(buckets["tokens"], buckets["rate"] * seconds)

    def take_refused(self) -> dict[int, int]:
        """How many messages of each device were refused since the last call; 0 stands for senders unknown."""
        found = {device: int(self.refused[device]) for device in np.flatnonzero(self.refused).tolist()}
        self.refused[:] = 0
        return found

    def hold(self, waiting: dict[int, int]) -> None:
        """So many messages of these devices wait since an earlier run."""
        for device, count in waiting.items():
            self._reach(device)
            self.held[device] = count

    def turns(self, now_us: int, most: int) -> dict[int, int]:
        """How many of the waiting messages of each device may pass now, `most` in all and as many for each.

        A token for each is taken out of the buckets of its device and its department.
        """
        found: dict[int, int] = {}
        waiting = np.flatnonzero(self.held).tolist()
        self._round += 1  # another one begins each time: a department's tokens may not do for all
        for device in np.roll(waiting, self._round).tolist():
            buckets = self._devices[device], self._departments[self._department_of[device]]
            for bucket in buckets:
                _refill(bucket, now_us)
            tokens = min(bucket["tokens"] for bucket in buckets)
            count = int(min(tokens, self.held[device], max(most // len(waiting), 1)))
            if count > 0:
                for bucket in buckets:
                    bucket["tokens"] -= count
                self.held[device] -= count
                found[device] = count
        return found

    def _reach(self, device: int) -> None:
        if len(self.held) <= device:
            room = max(device + 1, 2 * len(self.held)) - len(self.held)
            self._devices = np.concatenate([self._devices, _buckets(room, self._device)])
            self._department_of = np.pad(self._department_of, (0, room))
            self.held, self.refused = np.pad(self.held, (0, room)), np.pad(self.refused, (0, room))


def _buckets(count: int, quota: Quota) -> NDArray[Any]:
    buckets = np.zeros(count, BUCKET)
    buckets["rate"], buckets["room"], buckets["tokens"] = quota.messages_per_s, quota.burst, quota.burst
    return buckets


@njit(cache=True, nogil=True)
def _refill(bucket: Any, now: int) -> None:
    """Put in what has come since; tokens that were granted beyond the room stay, but grow no more."""
    if now > bucket["seen_us"]:
        if bucket["seen_us"] and bucket["tokens"] < bucket["room"]:
            more = bucket["tokens"] + (now - bucket["seen_us"]) * 1e-6 * bucket["rate"]
            bucket["tokens"] = min(bucket["room"], more)
        bucket["seen_us"] = now


@njit(cache=True, nogil=True)
def _admit(  # noqa: PLR0917 -- a kernel takes its columns one by one
    device: Any,
    cost: Any,
    arrived: Any,
    devices: Any,
    departments: Any,
    department_of: Any,
    held: Any,
    refused: Any,
    verdict: Any,
) -> None:
    for place in range(len(device)):
        who = device[place]
        bucket, common = devices[who], departments[department_of[who]]
        _refill(bucket, arrived[place])
        _refill(common, arrived[place])
        # What waits goes first: a device's readings keep their order.
        if held[who] == 0 and bucket["tokens"] >= cost[place] and common["tokens"] >= cost[place]:
            bucket["tokens"] -= cost[place]
            common["tokens"] -= cost[place]
        elif who != NOBODY and held[who] < HELD_LIMIT:
            held[who] += 1
            verdict[place] = HOLD
        else:
            refused[who] += 1
            verdict[place] = REFUSE
