"""Foreign topics: a platform's messages lead by its own addresses to our devices, and to nobody else's."""

from __future__ import annotations

import pytest
from test_ingest_batch import ALONE, BEHIND, NOW, Hub

from edge.wire import Malformed
from ingest.foreign import Foreign
from ingest.message import Message
from ingest.quota import Quota, Quotas
from ingest.registry import Registry
from ingest.sources.said import Said


class Postcards:
    """A platform on topics of its own: a message is lines of `address metric value`."""

    scheme = "postcard"
    filters = ("post/+/cards", "post/box/#")

    def read(self, topic: str, payload: bytes, arrived_us: int) -> list[Said]:
        del topic
        found: dict[str, Said] = {}
        for line in payload.decode().splitlines():
            try:
                address, metric, value = line.split()
            except ValueError as error:
                raise Malformed(f"{line!r} is no card") from error
            said = found.setdefault(address, Said(address, []))
            if value == "illegible":
                said.notes.append(f"{metric} is illegible")
            else:
                said.samples.append((metric, arrived_us, float(value), None))
        return list(found.values())


def office() -> Hub:
    """A hub that takes postcards of two devices."""
    hub = Hub([Postcards()])
    hub.registry.addresses = {
        ("postcard", "mill"): BEHIND,
        ("postcard", "weir"): ALONE,
        ("telex", "x"): ALONE,
    }
    return hub


def card(text: str, topic: str = "post/north/cards", at: int = NOW) -> Message:
    return Message(topic, text.encode(), 1, 1, at)


def test_one_message_speaks_for_several_devices() -> None:
    hub = office()
    hub.take([card("mill level 1\nmill flow 2\nweir level 3")])
    assert hub.stored() == {
        ("river-1", "level", NOW): "1.0",
        ("river-1", "flow", NOW): "2.0",
        ("river-2", "level", NOW): "3.0",
    }
    archived = [(entry.device_id, entry.readings, entry.parser) for entry in hub.batches[0].archive]
    assert archived == [(BEHIND.id, 2, "postcard/1"), (ALONE.id, 1, "postcard/1")]


def test_an_address_that_nobody_has_is_a_dead_letter_and_its_neighbours_are_taken() -> None:
    hub = office()
    hub.take([card("mill level 1\nnowhere level 2\nnowhere flow 3\nx level 4")])
    assert list(hub.stored()) == [("river-1", "level", NOW)]
    letters = {letter.detail.split()[5]: letter for letter in hub.batches[0].dead}
    assert set(letters) == {"postcard:nowhere;", "postcard:x;"}, "another scheme's address is not this one's"
    assert letters["postcard:nowhere;"].readings == 2
    assert hub.counted()["rejected"] == {0: 3}


def test_what_a_source_cannot_read_is_a_dead_letter_of_whoever_spoke_there_before() -> None:
    hub = office()
    hub.take([card("gibberish")])
    assert hub.buried() == {("malformed", None): 1}
    hub.take([card("mill level 1", at=NOW + 1), card("gibberish", at=NOW + 1)])
    assert hub.buried() == {("malformed", None): 1, ("malformed", BEHIND.id): 1}


def test_a_fault_of_our_own_reader_costs_one_message_and_not_the_hub(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = office()

    def faulty(*_: object) -> list[Said]:
        raise KeyError("what nobody thought of")

    monkeypatch.setattr(Postcards, "read", faulty)
    hub.take([card("mill level 1")])
    assert hub.buried() == {("malformed", None): 1}
    assert "our own reader of postcard failed (KeyError)" in hub.batches[0].dead[0].detail


def test_what_of_a_message_could_not_be_taken_is_said() -> None:
    hub = office()
    hub.take([card("mill level illegible\nmill flow 2\nmill salinity 3")])
    assert list(hub.stored()) == [("river-1", "flow", NOW)]
    assert hub.buried() == {("no-number", BEHIND.id): 1, ("unknown-metric", BEHIND.id): 1}


def test_a_topic_of_no_source_is_a_dead_letter() -> None:
    hub = office()
    hub.take([card("mill level 1", topic="post/north/letters")])
    assert hub.buried() == {("bad-topic", None): 1}


def test_the_json_of_a_platform_is_not_taken_for_telemetry_of_ours() -> None:
    hub = office()
    hub.take([card("mill level 1")])
    hub.take([Message("post/north/cards", b'{"level":7}', 2, 1, NOW + 1)])
    assert hub.buried() == {("malformed", BEHIND.id): 1}


def test_a_runaway_platform_is_held_by_the_quota_of_the_device_it_speaks_for() -> None:
    hub = office()
    quotas = Quotas(Quota(1, 3), Quota(1e6, 1e6))
    quotas.configure([BEHIND, ALONE], {})
    hub.assembler._quotas = quotas
    hub.take([card("mill level 0")])
    batch = hub.take([card(f"mill level {n}", at=NOW + n) for n in range(1, 10)])
    assert len(batch.rows) == 3
    assert [device for device, _ in batch.held] == [BEHIND.id] * 6


@pytest.mark.parametrize(
    ("topic", "read"),
    [
        ("post/a/cards", True),
        ("post//cards", True),
        ("post/a/b/cards", False),
        ("post/box", True),
        ("post/box/a/b", True),
        ("post/boxes", False),
        ("a/post/box", False),
    ],
)
def test_filters_match_as_a_broker_matches_them(topic: str, *, read: bool) -> None:
    assert (Foreign(Registry(), [Postcards()]).source(topic) is not None) is read
