"""A Sparkplug edge node, of the simulator's own making, through a whole hub: births, data, a death, a hub that comes late."""

from __future__ import annotations

import time
from contextlib import ExitStack

import psycopg
import pytest
from fix_hub import House, wait_for
from fix_services import on_both_brokers
from paho.mqtt.client import Client, MQTTMessage

from edge.link import Address, dial, dialect
from firmware_sim.protocols import sparkplug
from ingest import enrolment


def register(connection: psycopg.Connection) -> None:
    enrolment.enrol(
        connection,
        [
            enrolment.Entry(key, key, "water", kind)
            for key, kind in (("node-1", "gateway"), ("gauge-1", "river-gauge"))
        ],
    )
    for key, address in (("node-1", "works/node-1"), ("gauge-1", "works/node-1/gauge")):
        connection.execute(
            "insert into device_address select 'sparkplug', %s, id from device where key = %s", (address, key)
        )
    connection.execute("select pg_notify('cityhub_registry', '')")


class Node:
    """The edge node on its connection: it obeys rebirths."""

    def __init__(self, house: House, stack: ExitStack) -> None:
        self.state = sparkplug.EdgeNode("works", "node-1", {"gauge": ["level", "rain", "salinity"]})
        address = Address(house.broker.url)  # what a platform may do at the broker is tested elsewhere
        self.client = dial(address, "node-1", protocol=dialect(address), lasting=False, in_flight=20)
        will = self.state.will(now_ms())
        self.client.will_set(will.topic, will.payload, qos=1)
        self.client.on_message = self._on_message
        self.asked = 0
        self.client.loop_start()
        stack.callback(self.client.loop_stop)
        wait_for(self.client.is_connected, "the broker")
        self.client.subscribe(self.state.topic("NCMD"), qos=1)

    def _on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        client.ack(message.mid, message.qos)
        if self.state.told_to_be_born(bytes(message.payload)):
            self.asked += 1
            self.be_born()

    def be_born(self) -> None:
        for message in self.state.birth(now_ms()):
            self.client.publish(message.topic, message.payload)

    def say(self, level: float, at_ms: int, *, historical: bool = False) -> None:
        message = self.state.data("gauge", {"level": level}, at_ms, historical=historical)
        self.client.publish(message.topic, message.payload)

    def die(self) -> None:
        """Without a word: the broker says it."""
        self.client.loop_stop()
        sock = self.client.socket()
        assert sock is not None
        sock.close()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def levels(house: House) -> list[float]:
    rows = house.ask(
        """select value from reading join series on series.id = series_id
           where metric = 'level' and value <> 'NaN' order by time"""
    )
    return [value for (value,) in rows]


def online(house: House) -> dict[str, list[float]]:
    rows = house.ask(
        """select device.key, array_agg(value order by time) from reading join series on series.id = series_id
           join device on device.id = device_id where metric = 'online' group by device.key"""
    )
    return dict(rows)


@on_both_brokers
@pytest.mark.timeout(240)
def test_an_edge_node_is_born_speaks_and_dies_and_a_hub_that_comes_late_asks_for_its_birth(
    house: House,
) -> None:
    house.city()
    with house.connect() as connection:
        register(connection)
    with ExitStack() as stack:
        node = Node(house, stack)
        node.be_born()  # to nobody: there is no hub yet
        house.start_hub()
        wait_for(lambda: node.asked, "the hub to ask for a birth")
        wait_for(lambda: online(house) == {"node-1": [1], "gauge-1": [1]}, "both to be online")
        begin = now_ms() - 20_000
        for second in range(5):
            node.say(2 + second / 10, begin + 1000 * second)
        node.say(20, begin + 10_000, historical=True)
        wait_for(lambda: len(levels(house)) == 6, "the levels")
        assert levels(house) == pytest.approx([2, 2.1, 2.2, 2.3, 2.4, 20])
        assert house.ask("select count(*) from alarm") == [(0,)], "history pages nobody"
        node.die()
        wait_for(
            lambda: online(house) == {"node-1": [1, 0], "gauge-1": [1, 0]},
            "the broker to say that it is gone",
        )
    letters = house.ask("select reason, detail, times from dead_letter order by reason, detail")
    # The profile knows no salinity: one letter for the births, one for the death.
    assert [(reason, "salinity" in detail) for reason, detail, _ in letters] == [("unknown-metric", True)] * 2
    balance = "select sum(received - stored - duplicate - quarantined - rejected) from ledger_minute"
    assert house.ask(balance) == [(0,)]
