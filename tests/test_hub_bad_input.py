"""Bad input of every kind: a dead letter with its bytes and a reason, or a counted rejection; neighbours live."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import cbor2
import orjson
import pytest
from fix_hub import House, wait_for

from edge import wire
from edge.reading import gather, now_us

RIVER = "city/v1/water/river-01/telemetry"
GATEWAY = "city/v1/municipal/gateway-01/telemetry"


def batch(*samples: tuple[str, int, float], seq: int = 1) -> bytes:
    return wire.seal("b00t", seq, 1, wire.body(gather(samples)))


def bad_messages() -> dict[str, tuple[str, bytes, str, str]]:
    """Name -> topic, payload, wanted reason, a word of the wanted detail."""
    now = round(time.time() * 1000)
    return {
        "not JSON": (RIVER, b'{"level": 1', "malformed", "not JSON"),
        "empty": (RIVER, b" ", "malformed", "JSON"),
        "text for a number": (RIVER, b'{"level": "high"}', "malformed", "not a number"),
        "NaN in JSON": (RIVER, b'{"level": NaN}', "malformed", "not JSON"),
        "time without zone": (
            RIVER,
            b'{"ts": "2026-01-01T00:00:00", "values": {"level": 1}}',
            "malformed",
            "time zone",
        ),
        "nested": (RIVER, b"[" * 5000 + b"]" * 5000, "malformed", "nested deeper"),
        "cut CBOR": (GATEWAY, batch(("river-01/level", now_us(), 1.0))[:-3], "malformed", "CBOR"),
        "CBOR bomb": (GATEWAY, b"\x9b\x00\x00\x00\x00\xff\xff\xff\xff", "malformed", "claims"),
        "deep CBOR": (GATEWAY, b"\x81" * 2000 + b"\x00", "malformed", "nested deeper"),
        "columns of two lengths": (
            GATEWAY,
            cbor2.dumps(
                {"v": 1, "boot": "a", "seq": 1, "base": 1, "names": ["river-01/level"]}
                | {
                    "series": cbor2.CBORTag(69, b"\0\0"),
                    "time": cbor2.CBORTag(79, b""),
                    "value": cbor2.CBORTag(86, b""),
                }
            ),
            "malformed",
            "differ in length",
        ),
        "SenML with two values": (
            RIVER,
            b'[{"n": "level", "v": 1, "vs": "a"}]',
            "malformed",
            "one value only",
        ),
        "wrong unit": (RIVER, b'[{"n": "level", "u": "ft", "v": 3}]', "wrong-unit", "its profile says m"),
        "unknown device": (
            "city/v1/water/river-99/telemetry",
            b'{"level": 1}',
            "unknown-device",
            "device import",
        ),
        "wrong department": (
            "city/v1/police/river-01/telemetry",
            b'{"level": 1}',
            "wrong-department",
            "belongs to water",
        ),
        "not its gateway": (
            RIVER,
            batch(("camera-01/people", now_us(), 1.0)),
            "not-its-gateway",
            "not registered behind",
        ),
        "unknown metric": (RIVER, b'{"depth": 1}', "unknown-metric", "level"),
        "a name with NUL": (RIVER, b'{"le\\u0000vel": 1}', "unknown-metric", "not a metric"),
        "tomorrow": (
            RIVER,
            orjson.dumps({"ts": now + 86_400_000, "values": {"level": 1}}),
            "time-outside",
            "ahead",
        ),
        "last year": (
            RIVER,
            orjson.dumps({"ts": now - 86_400_000 * 365, "values": {"level": 1}}),
            "time-outside",
            "back",
        ),
        "the end of time": (GATEWAY, batch(("river-01/level", 2**62, 1.0), seq=2), "time-outside", "clock"),
        "infinite": (
            GATEWAY,
            batch(("river-01/level", now_us(), float("inf")), seq=3),
            "not-finite",
            "infinite",
        ),
    }


def letters_of(house: House, topic: str, payload: bytes) -> list[tuple[Any, ...]]:
    return house.ask(
        "select reason, detail from dead_letter where topic = %s and payload = %s", topic, payload
    )


def test_every_bad_message_is_a_dead_letter_with_its_bytes_and_a_reason_and_good_neighbours_are_stored(
    house: House,
) -> None:
    house.city()
    house.start_hub()
    device = house.publisher()
    bad = bad_messages()
    begin = now_us() - 1_000_000
    for number, (topic, payload, _, _) in enumerate(bad.values()):
        house.send(device, topic, payload)
        # In the very same batch of the edge agent: one name that means nothing, one that does.
        good = batch(
            ("river-02/level", begin + number, 2.0),
            ("river-02/nonsense", begin + number, 2.0),
            seq=10 + number,
        )
        house.send(device, GATEWAY, good)
    wait_for(
        lambda: house.ask("select count(*) from reading") == [(len(bad),)],
        f"{len(bad)} good neighbours to be stored",
    )
    for name, (topic, payload, reason, word) in bad.items():
        letters = wait_for(partial(letters_of, house, topic, payload), f"the dead letter of: {name}")
        assert [reason] == [found for found, _ in letters], name
        assert word in letters[0][1], (name, letters[0][1])
    neighbours = house.ask(
        "select count(*) from dead_letter where detail like '%%nonsense is not a metric%%'"
    )
    assert neighbours == [(len(bad),)]
    balance = house.ask(
        "select sum(received - stored - duplicate - quarantined - rejected) from ledger_minute"
    )
    assert balance == [(0,)]
    assert house.hub is not None
    assert house.hub.poll() is None


def test_the_same_bad_bytes_again_are_the_same_dead_letter_seen_twice(house: House) -> None:
    house.city()
    house.start_hub()
    device = house.publisher()
    for _ in range(2):
        house.send(device, RIVER, b"rubbish")
    wait_for(lambda: house.ask("select times from dead_letter") == [(2,)], "the second time")


def test_a_reading_sent_twice_is_stored_once_and_one_with_another_value_is_a_conflict(house: House) -> None:
    house.city()
    house.start_hub()
    device = house.publisher()
    now = round(time.time() * 1000)
    first: dict[str, Any] = {"ts": now, "values": {"level": 1.5}}
    for values in (first, first, {"ts": now, "values": {"level": 1.6}}):
        house.send(device, RIVER, values)
    wait_for(
        lambda: (
            house.ask("select sum(stored), sum(duplicate), sum(quarantined) from ledger_minute")
            == [(1, 1, 1)]
        ),
        "one stored, one duplicate, one conflict",
    )
    assert house.ask("select value from reading") == [(1.5,)]
    assert house.ask("select reason from dead_letter") == [("conflict",)]


def test_a_sensor_that_says_it_has_no_value_is_stored_as_missing(house: House) -> None:
    house.city()
    house.start_hub()
    device = house.publisher()
    house.send(device, RIVER, b'{"level": null, "rain": 0.2}')
    wait_for(
        lambda: (
            house.ask("select metric, flag from reading join series on series.id = series_id order by metric")
            == [("level", 9), ("rain", 1)]
        ),
        "one missing, one passed",
    )


@pytest.mark.parametrize("form", ["json", "senml+json", "senml+cbor", "columnar"])
def test_every_format_leads_to_a_stored_reading_and_its_bytes_in_the_archive(house: House, form: str) -> None:
    house.city()
    house.start_hub()
    device = house.publisher()
    payload = {
        "json": b'{"level": 2.5}',
        "senml+json": b'[{"bn": "urn:dev:ow:1:", "n": "level", "u": "m", "v": 2.5}]',
        "senml+cbor": cbor2.dumps([{-2: "urn:dev:ow:1:", 0: "level", 1: "m", 2: 2.5}]),
        "columnar": wire.seal("b00t", 1, 1, wire.body(gather([("level", now_us(), 2.5)]))),
    }[form]
    house.send(device, RIVER, payload)
    wait_for(lambda: house.ask("select value, flag from reading") == [(2.5, 1)], "the reading")
    assert house.ask("select parser, payload, readings from message") == [(f"{form}/1", payload, 1)]


def test_an_agent_whose_batch_cannot_be_read_learns_that_it_is_done_with(house: House) -> None:
    house.city()
    house.start_hub()
    device = house.publisher()
    sound = cbor2.loads(batch(("river-01/level", now_us(), 1.0), seq=1))
    sound["value"] = cbor2.CBORTag(86, b"")
    house.send(device, GATEWAY, cbor2.dumps(sound))
    house.send(device, GATEWAY, batch(("river-01/level", now_us(), 1.0), seq=2))
    wait_for(
        lambda: house.ask("select committed::text from edge_progress") == [("{[0,3)}",)],
        "both numbers to be done with",
    )
    assert house.ask("select reason from dead_letter") == [("malformed",)]


def test_a_row_that_the_database_refuses_is_a_dead_letter_and_its_neighbours_are_stored(house: House) -> None:
    house.city()
    with house.connect() as connection:  # nothing that passes our own checks is refused otherwise
        connection.execute("alter table reading add constraint cursed check (value <> 6.66)")
    house.start_hub()
    device = house.publisher()
    begin = now_us() - 10_000_000
    values = [float(number) for number in range(50)]
    values[7] = values[31] = 6.66
    samples = [("river-01/level", begin + place * 1000, value) for place, value in enumerate(values)]
    house.send(device, GATEWAY, batch(*samples))
    wait_for(lambda: house.ask("select count(*) from reading") == [(48,)], "the forty-eight others")
    assert house.ask("select reason, readings from dead_letter") == [("database-refused", 2)]
    assert house.ask("select sum(received), sum(stored), sum(quarantined) from ledger_minute") == [
        (50, 48, 2)
    ]
