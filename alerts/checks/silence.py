"""Silence: who has not been heard for longer than allowed, by a timer wheel; no tick looks at every series."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

KERNEL = "silence/1"
"""Kept with every rule version that judged."""

BUCKET_S = 1.0
BUCKETS = 4096
"""A deadline further ahead than the wheel goes round is looked at once a round: here after 68 minutes."""

NODE = np.dtype(
    [
        ("heard", "f8"),  # when it was heard last, on a clock that nobody sets
        ("allowed", "f8"),  # seconds; 0: nobody waits for this one
        ("grace", "f8"),  # not silent before this moment, whatever else
        ("next", "i4"),  # the next one in the same bucket
        ("bucket", "i4"),  # the one that it is in, if it is armed
        ("armed", "u1"),  # it is in a bucket
        ("silent", "u1"),  # its time is over, and it has not been heard since
    ]
)


class Wheel:
    """Deadlines of many nodes. Hearing one is a store; its bucket learns of that when it comes due, and no earlier.

    Times are seconds of a monotonic clock. Varghese and Lauck, "Hashed and hierarchical timing wheels" (1987),
    with the deadline checked lazily.
    """

    def __init__(self, now: float, buckets: int = BUCKETS) -> None:
        self.nodes: NDArray[Any] = np.zeros(1, NODE)
        self._heads: NDArray[np.int32] = np.full(buckets, -1, np.int32)
        self._turned = int(now // BUCKET_S)  # the last bucket that has been emptied
        self._amnesty = now

    def add(self, node: int, allowed_s: float, now: float) -> None:
        """Wait for a node from now on; known ones are given the shorter of both times."""
        self.reach(node)
        known = self.nodes[node]
        if known["allowed"] == 0:
            known["heard"], known["allowed"] = now, allowed_s
        elif allowed_s < known["allowed"]:
            # The bucket that it is in may be too late now, by a round at most.
            known["allowed"] = allowed_s
        if not known["armed"] and not known["silent"]:
            self._arm(node)

    def allow(self, node: int, allowed_s: float) -> None:
        """Give a known node a longer time."""
        self.nodes["allowed"][node] = allowed_s

    def drop(self, node: int) -> None:
        """Wait for a node no more; it may be added again."""
        _take_out(node, self.nodes, self._heads)

    def reach(self, node: int) -> None:
        """Make room for nodes up to `node`."""
        if len(self.nodes) <= node:
            wider = np.zeros(max(node + 1, 2 * len(self.nodes)), NODE)
            wider[: len(self.nodes)] = self.nodes
            self.nodes = wider

    def hear(self, heard: NDArray[np.int32], now: float) -> NDArray[np.int32]:
        """Nodes that have just been heard; returns those of them that had been found silent."""
        woken = np.empty(len(heard), np.int32)
        return woken[: _hear(heard, now, self.nodes, self._heads, self._turned, self._amnesty, woken)]

    def due(self, now: float) -> NDArray[np.int32]:
        """Nodes whose time is over, ascending; they are waited for again once they are heard, or by `grant`."""
        found = np.empty(len(self.nodes), np.int32)
        turn = int(now // BUCKET_S)
        count = _due(self._turned, turn, now, self.nodes, self._heads, self._amnesty, found)
        self._turned = max(turn, self._turned)
        return np.sort(found[:count])

    def forgive(self, now: float) -> None:
        """Nobody could be heard until now: everybody's time begins anew."""
        self._amnesty = now

    def deadline(self, node: int) -> float:
        """When the time of a node is over."""
        return float(_deadline(self.nodes[node], self._amnesty))

    def expected(self, node: int) -> float:
        """Until when a node should have been heard, without grace."""
        return float(max(self.nodes["heard"][node], self._amnesty) + self.nodes["allowed"][node])

    def grant(self, node: int, until: float) -> None:
        """Wait for a node again that came due, until this moment at least."""
        self.nodes["grace"][node], self.nodes["silent"][node] = until, 0
        if not self.nodes["armed"][node]:
            self._arm(node)

    def silence(self, node: int) -> None:
        """Take a node for silent without waiting for its time."""
        self.nodes["silent"][node] = 1

    def _arm(self, node: int) -> None:
        _insert(node, self.deadline(node), self.nodes, self._heads, self._turned)


@njit(cache=True, nogil=True)
def _deadline(node: Any, amnesty: float) -> float:
    return float(max(max(node["heard"], amnesty) + node["allowed"], node["grace"]))


@njit(cache=True, nogil=True)
def _insert(node: int, at: float, nodes: Any, heads: Any, turned: int) -> None:
    # Never into a bucket that has been emptied, never so far that the wheel would meet it a round too early.
    bucket = min(max(int(at // BUCKET_S), turned) + 1, turned + len(heads) - 1) % len(heads)
    nodes[node]["next"] = heads[bucket]
    nodes[node]["bucket"] = bucket
    nodes[node]["armed"] = 1
    heads[bucket] = node


@njit(cache=True, nogil=True)
def _take_out(node: int, nodes: Any, heads: Any) -> None:
    if nodes[node]["armed"] == 1:
        bucket = nodes[node]["bucket"]
        if heads[bucket] == node:
            heads[bucket] = nodes[node]["next"]
        else:
            before = heads[bucket]
            while nodes[before]["next"] != node:
                before = nodes[before]["next"]
            nodes[before]["next"] = nodes[node]["next"]
    nodes[node]["allowed"], nodes[node]["grace"] = 0, 0
    nodes[node]["armed"], nodes[node]["silent"] = 0, 0


@njit(cache=True, nogil=True)
def _hear(heard: Any, now: float, nodes: Any, heads: Any, turned: int, amnesty: float, woken: Any) -> int:
    count = 0
    for row in range(len(heard)):
        node = heard[row]
        nodes[node]["heard"] = now
        if nodes[node]["silent"] == 1:
            nodes[node]["silent"] = 0
            if nodes[node]["armed"] == 0:
                _insert(node, _deadline(nodes[node], amnesty), nodes, heads, turned)
            woken[count] = node
            count += 1
    return count


@njit(cache=True, nogil=True)
def _due(turned: int, turn: int, now: float, nodes: Any, heads: Any, amnesty: float, found: Any) -> int:
    count = 0
    for bucket in range(max(turned, turn - len(heads)) + 1, turn + 1):
        node = heads[bucket % len(heads)]
        heads[bucket % len(heads)] = -1
        while node >= 0:
            following = nodes[node]["next"]
            at = _deadline(nodes[node], amnesty)
            if nodes[node]["silent"] == 1:
                nodes[node]["armed"] = 0
            elif at <= now:
                nodes[node]["armed"], nodes[node]["silent"] = 0, 1
                found[count] = node
                count += 1
            else:
                _insert(node, at, nodes, heads, turn)
            node = following
    return count
