"""Sparkplug as a source: the messages of all edge nodes, each read in the session of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from edge.wire import Malformed
from ingest.sources.said import Said
from ingest.sources.sparkplug import payload as payloads
from ingest.sources.sparkplug.node import Heard, Node
from ingest.sources.sparkplug.rebirths import Rebirths

NAMESPACE = "spBv1.0"
NODE_KINDS = {"NBIRTH": "BIRTH", "NDATA": "DATA", "NDEATH": "DEATH"}
DEVICE_KINDS = {"DBIRTH": "BIRTH", "DDATA": "DATA", "DDEATH": "DEATH"}
COMMANDS = {"NCMD", "DCMD"}
STATE = "STATE"
TOPIC_PARTS = 5
FULL_US = 10 * 1_000_000  # after no room was found it is looked for again


class Limits(NamedTuple):
    """What the sessions may take of the hub's memory, and of the edge nodes' patience."""

    nodes: int = 20_000
    metrics: int = 1_000_000  # declared by all of them, some 320 bytes each
    held: int = 16 << 20  # bytes of messages that wait for those before them
    reorder_s: float = 5.0  # how long a missing message is waited for
    rebirths_per_s: float = 50.0


LIMITS = Limits()


class Place(NamedTuple):
    """What a topic says."""

    kind: str  # BIRTH, DATA or DEATH
    node: str  # group/edge
    device: str


class Sparkplug:
    """Reads what edge nodes and their devices publish. One thread calls it.

    An address is group/edge for an edge node's own metrics, group/edge/device for those of a device behind it.
    """

    scheme = "sparkplug"
    in_order = True
    # Not spBv1.0/#: commands, ours among them, and other hosts' STATE would come as well.
    filters: tuple[str, ...] = (
        *(f"{NAMESPACE}/+/{kind}/+" for kind in NODE_KINDS),
        *(f"{NAMESPACE}/+/{kind}/+/+" for kind in DEVICE_KINDS),
    )

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._nodes: dict[str, Node] = {}
        self._waiting: set[str] = set()  # edge nodes with a message missing
        self._metrics = self._held = 0
        self._full_until_us = 0
        self._rebirths = Rebirths(limits.rebirths_per_s)
        self.asked = 0  # rebirths, since the start

    def read(self, topic: str, payload: bytes, arrived_us: int) -> list[Said]:
        """Read one message; nothing where it says nothing measurable, or must wait for those before it.

        What waited comes with the message that ends the wait. Raises edge.wire.Malformed.
        """
        place = where(topic)
        if place is None:
            return []
        content = payloads.read(payload)
        if place.kind == "BIRTH" and self._metrics + content.size > self._limits.metrics:
            raise Malformed(f"all edge nodes together declare more than {self._limits.metrics} metrics")
        node = self._node(place.node, arrived_us)
        metrics, held = node.metrics, node.holds
        said = node.hear(Heard(place.kind, place.device, content, arrived_us, len(payload)))
        if node.holds > held and self._held + node.holds - held > self._limits.held:
            node.give_up_waiting()
            said += node.release()
        self._metrics += node.metrics - metrics
        self._held += node.holds - held
        if place.kind == "BIRTH" and not place.device:
            self._rebirths.born(node.address)
        self._note(node, arrived_us)
        return _gathered(said) if len(said) > 1 else said

    def ask(self, nodes: Iterable[str], now_us: int) -> None:
        """Ask these edge nodes (group/edge) for a birth: the hub has begun, and knows nothing of them."""
        for address in nodes:
            self._rebirths.want(address, now_us)

    def missed(self, until_us: int, now_us: int) -> None:
        """The hub was away from the broker until then: anything may have happened, deaths too."""
        self.ask((node.address for node in self._nodes.values() if node.born_us < until_us), now_us)

    def tick(self, now_us: int) -> list[str]:
        """Call once a second or so: the edge nodes (group/edge) that are to be asked for a rebirth now."""
        for address in list(self._waiting):
            node = self._nodes[address]
            if node.overdue(now_us, int(self._limits.reorder_s * 1e6)):
                node.give_up_waiting()
                self._note(node, now_us)
        turn = self._rebirths.take(now_us)
        self.asked += len(turn)
        return turn

    def _note(self, node: Node, now_us: int) -> None:
        if node.order is not None and node.order.since_us is not None:
            self._waiting.add(node.address)
        else:
            self._waiting.discard(node.address)
        if node.wants_birth:
            self._rebirths.want(node.address, now_us)

    def _node(self, address: str, now_us: int) -> Node:
        node = self._nodes.get(address)
        if node is None:
            if len(self._nodes) >= self._limits.nodes:
                self._make_room(now_us)
            node = self._nodes[address] = Node(address)
        return node

    def _make_room(self, now_us: int) -> None:
        """Forget the tenth of the edge nodes that is dead, or never was born, and was heard longest ago."""
        gone = []
        if now_us >= self._full_until_us:
            dead = (node for node in self._nodes.values() if node.order is None)
            gone = sorted(dead, key=lambda node: node.heard_us)[: max(self._limits.nodes // 10, 1)]
            self._full_until_us = 0 if gone else now_us + FULL_US
        if not gone:
            raise Malformed(
                f"{self._limits.nodes} edge nodes are alive already, there is no room for another"
            )
        for node in gone:
            self._metrics -= node.metrics
            self._held -= node.holds
            self._waiting.discard(node.address)
            self._rebirths.forget(node.address)
            del self._nodes[node.address]


def _gathered(said: list[Said]) -> list[Said]:
    """What is said of one address in one piece, history apart."""
    whole: dict[tuple[str, bool], Said] = {}
    for one in said:
        first = whole.setdefault((one.address, one.late), one)
        if first is not one:
            first.samples += one.samples
            first.notes += one.notes
    return list(whole.values())


def where(topic: str) -> Place | None:
    """What the topic of a message says; None for those that are no edge node's. Raises Malformed."""
    parts = topic.split("/", TOPIC_PARTS)
    if parts[0] != NAMESPACE or len(parts) not in (3, 4, 5) or not all(parts):
        raise Malformed(f"{topic!r:.120} is no topic of Sparkplug B")
    if len(parts) == 3:  # noqa: PLR2004 -- spBv1.0/STATE/host
        if parts[1] == STATE:
            return None
        raise Malformed(f"{topic!r:.120} is no topic of Sparkplug B")
    kind = parts[2]
    kinds = NODE_KINDS if len(parts) == 4 else DEVICE_KINDS  # noqa: PLR2004
    if kind not in kinds:
        if kind in COMMANDS:
            return None
        raise Malformed(f"{kind!r:.40} is no message type of Sparkplug B on a topic of {len(parts)} parts")
    return Place(kinds[kind], f"{parts[1]}/{parts[3]}", parts[4] if len(parts) == TOPIC_PARTS else "")
