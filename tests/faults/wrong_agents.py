"""The faults of controls: edge agents as people write them, each of which the oracle must catch."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from edge.agent import Agent
from edge.journal import JournalFull, Record
from edge.positions import Fix
from edge.publisher import Publisher

Sample = tuple[str, int, float]


def prune_when_published() -> None:
    """Believe the broker: its PUBACK ends the journal's duty."""
    publish = Publisher._on_publish

    def believe(
        self: Publisher, client: Any, data: object, mid: int, reason: Any, properties: object
    ) -> None:
        publish(self, client, data, mid, reason, properties)
        with self._changed:
            if self._window._sent:
                boot, seq = next(iter(self._window._sent))
                self._window._sent.pop((boot, seq))
                self._journal.prune(boot, seq)

    Publisher._on_publish = believe  # type: ignore[method-assign,assignment]


def accept_before_append() -> None:
    """Say yes at once, write fifty batches at a time: faster, they say."""
    accept = Agent.accept
    waiting: list[tuple[Agent, list[Sample], list[Fix]]] = []

    def later(self: Agent, samples: Iterable[Sample], fixes: Iterable[Fix] = ()) -> None:
        waiting.append((self, list(samples), list(fixes)))
        if len(waiting) >= 50:
            for agent, kept, places in waiting:
                accept(agent, kept, places)
            waiting.clear()

    Agent.accept = later  # type: ignore[method-assign]


def swallow_full() -> None:
    """A driver that logs the error and goes on."""
    accept = Agent.accept

    def shrug(self: Agent, samples: Iterable[Sample], fixes: Iterable[Fix] = ()) -> None:
        with suppress(JournalFull):
            accept(self, samples, fixes)

    Agent.accept = shrug  # type: ignore[method-assign]


def offer_when_connected() -> None:
    """`if client.is_connected(): client.publish(...)`."""
    offer = Publisher.offer

    def perhaps(self: Publisher, record: Record) -> None:
        if self._connected:
            offer(self, record)
        else:
            self._journal.prune(record.boot, record.seq)

    Publisher.offer = perhaps  # type: ignore[method-assign]


def one_boot() -> None:
    """A boot named after the machine: after a restart its numbers begin anew."""
    secrets.token_hex = lambda nbytes=None: "theoneandonly"  # noqa: ARG005 -- its signature


PATCHES = {
    patch.__name__: patch
    for patch in (prune_when_published, accept_before_append, swallow_full, offer_when_connected, one_boot)
}
