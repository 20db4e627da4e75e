"""Reports through the whole hub: an agent's birth and last will, and events, from the broker to the API."""

from __future__ import annotations

import time

from fix_hub import House, wait_for
from fix_services import on_both_brokers

from edge.agent import Agent


@on_both_brokers
def test_a_gateways_birth_death_and_events_are_seen_in_the_api(house: House) -> None:
    house.city()
    house.start_hub()
    house.start_api()
    client = house.sign_in()
    address = "/api/v1/devices/gateway-01/status"
    assert client.get(address).json() == {"state": "unknown", "since": None, "body": {}}
    agent = Agent(house.home / "edge", house.broker.field_url, "municipal", "gateway-01")
    agent.start()
    wait_for(lambda: client.get(address).json()["state"] == "online", "the birth")
    agent.close()
    wait_for(lambda: client.get(address).json()["state"] == "offline", "the farewell")
    device = house.publisher()
    for place in range(3):
        event = {"type": "door", "ts": round(time.time() * 1000) + place, "data": {"open": place}}
        house.send(device, "city/v1/municipal/cover-01/event", event)
        house.send(device, "city/v1/municipal/cover-01/event", event)
    events = "/api/v1/devices/cover-01/events"
    wait_for(lambda: len(client.get(events).json()["items"]) == 3, "the events")
    page = client.get(events, params={"limit": 2}).json()
    assert [event["data"]["open"] for event in page["items"]] == [2, 1]
    rest = client.get(events, params={"limit": 2, "cursor": page["next"]}).json()
    assert ([event["data"]["open"] for event in rest["items"]], rest["next"]) == ([0], None)
    assert client.get(events, params={"type": "window"}).json()["items"] == []
    assert client.get("/api/v1/devices/nobody/events").status_code == 404
