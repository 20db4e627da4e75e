"""An operator commands a gateway: it is signed, answered, and every attempt is in the audit log."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

pytest.importorskip("nacl", reason="pynacl is not installed: it comes with the extra edge")

from fix_hub import House

from cityhub import gateway, signing
from cityhub.foreman import Foreman
from cityhub.gateway import CREDENTIAL
from cityhub.processes import command
from cityhub.settings import as_environment
from edge import capture
from edge.link import Address


@pytest.fixture
def field(house: House) -> Iterator[Foreman]:
    """The demo's gateway, which knows the hub's key."""
    house.city()
    at = Address(house.broker.field_url)
    file = house.home / "gateway.toml"
    file.write_text(
        f'[gateway]\nid = "gateway-01"\ndepartment = "municipal"\nbroker = "mqtt://{at}"\nuser = "{at.user}"\n'
        f'home = "{house.home / "gw"}"\nhub_key = "{signing.public(house.home)}"\n'
        '[[driver]]\nkind = "jsonlines"\nlisten = "127.0.0.1:0"\n'
    )
    foreman = Foreman(gateway.read(file), file, {CREDENTIAL: at.password or ""})
    stopping = threading.Event()
    thread = threading.Thread(target=foreman.run, args=(stopping,), daemon=True)
    thread.start()
    assert foreman.outpost.agent.publisher.wait_connected(30)
    yield foreman
    stopping.set()
    thread.join(30)


def order(house: House, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("device", "command", *arguments),
        env={**os.environ, **as_environment(house.settings)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_command_is_signed_answered_and_in_the_audit_log(house: House, field: Foreman) -> None:
    done = order(house, "gateway-01", "ping")
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout)["result"]["version"]
    refused = order(house, "gateway-01", "restart-driver", "--argument", "driver=x")
    assert refused.returncode == 1
    assert orjson.loads(refused.stdout)["code"] == "wrong-argument"
    assert order(house, "gateway-01", "explode").returncode == 2
    assert order(house, "nobody-01", "ping").returncode == 2
    assert field.outpost.notes.total == 0
    entries = house.ask(
        "select action, object, outcome, detail ->> 'state' from audit_entry where action like 'device.command%%' order by id"
    )
    assert entries == [
        ("device.command.ping", "device:gateway-01", "done", "sent"),
        ("device.command.ping", "device:gateway-01", "done", "done"),
        ("device.command.restart-driver", "device:gateway-01", "done", "sent"),
        ("device.command.restart-driver", "device:gateway-01", "denied", "refused"),
        ("device.command.unknown", "device:gateway-01", "denied", "not sent"),
        ("device.command.ping", "device:nobody-01", "denied", "not sent"),
    ]


def test_a_gateway_that_does_not_answer_is_an_error_with_a_way_out(house: House) -> None:
    house.city()
    silent = order(house, "gateway-01", "ping", "--expires", "1")
    assert silent.returncode == 2
    assert "Error: gateway-01 has not answered within 1 s" in silent.stderr
    assert "hub_key" in silent.stderr


def test_decode_reads_a_capture_each_link_and_direction_by_itself(tmp_path: Path) -> None:
    taken = capture.Capture(tmp_path / "wire.cap")
    question, answer = bytes.fromhex("1103006b00037687"), bytes.fromhex("110306ae415652434049ad")
    for at, piece in enumerate((question[:3], question[3:])):
        taken.write(at, "pumps", ">", piece)
    taken.write(3, "pumps", "<", answer)
    taken.close()
    done = subprocess.run(
        command("decode", "modbus", str(tmp_path / "wire.cap")),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    asked, said = map(orjson.loads, done.stdout.splitlines())
    assert (asked["link"], asked["direction"], asked["form"]) == ("pumps", "to it", "rtu")
    assert (said["direction"], said["not_understood"]) == ("from the field", [])
