"""`cityhub doctor` against a real hub: what is well is said to be, and each fault is found with its next step."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from fix_hub import CITY, House, wait_for

from alerts import tally
from alerts.days import Days
from cityhub.doctor import services
from cityhub.processes import command
from cityhub.settings import as_environment
from edge.reading import now_us

Findings = dict[str, dict[str, str]]


def look(house: House, **environment: str) -> tuple[int, Findings]:
    """The doctor's exit status, and its findings by part."""
    port = house.url.rsplit(":", 1)[1] if house.url else "1"
    given = {**os.environ, **as_environment(house.settings), "CITYHUB_API_PORT": port, **environment}
    ended = subprocess.run(command("doctor", "--json"), env=given, capture_output=True, check=False)
    found = [orjson.loads(line) for line in ended.stdout.splitlines()]
    assert found, ended.stderr
    return ended.returncode, {finding["part"]: finding for finding in found}


def test_a_hub_that_is_well_is_said_to_be(live_hub: House) -> None:
    code, found = look(live_hub)
    well = ["disk", "clock", "broker", "database", "schema", "hub", "ledger", "api", "refused messages"]
    assert {part: found[part]["verdict"] for part in well} == dict.fromkeys(well, "ok"), found
    assert code == 0


def test_every_device_that_is_not_well_is_named_with_its_next_step(live_hub: House) -> None:
    device = live_hub.publisher()
    live_hub.ask("update device set created_at = now() - interval '1 day' returning 1")
    live_hub.ask("update device set clock_offset_s = -300 where key = 'river-02' returning 1")
    live_hub.ask("update latest set time = time - interval '3 hours' returning 1")
    for place in range(25):
        live_hub.send(
            device,
            "city/v1/municipal/cover-01/telemetry",
            {"ts": round(time.time() * 1000) - place * 1000, "values": {"tilt": 500 + place % 2}},
        )
    live_hub.send(device, "city/v1/water/river-77/telemetry", {"level": 1})
    live_hub.send(device, "city/v1/water/river-01/telemetry", b"{")
    wait_for(lambda: live_hub.ask("select count(*) from dead_letter") == [(2,)], "the dead letters")
    wait_for(lambda: len(live_hub.ask("select 1 from latest")) > 2, "cover-01 in the table of the latest")
    with live_hub.connect() as connection:  # the hub does it once a minute
        tally.fold(connection, Days("Asia/Shanghai"), now_us())
    code, found = look(live_hub)
    assert "camera-01 (3.0 h)" in found["silent devices"]["said"]
    # A responder may be silent for days; two have spoken; of a watched zone the hub speaks itself.
    due = [row for row in (CITY / "devices.csv").read_text().splitlines()[1:] if ",responder," not in row]
    assert found["unheard devices"]["said"].startswith(f"{len(due) - 2} are registered")
    assert "river-02 (-300 s)" in found["clocks of devices"]["said"]
    assert "cover-01/tilt (100%)" in found["doubtful readings"]["said"]
    assert "river-77" in found["refused: unknown-device"]["said"]
    assert "cityhub device new" in found["refused: unknown-device"]["step"]
    assert "river-01" in found["refused: malformed"]["said"]
    assert code == 0, "devices that are not well are the day's work, not a failure of the hub"


def test_without_broker_hub_and_api_each_is_found(house: House) -> None:
    house.broker.stop()
    code, found = look(house)
    assert code == 1
    assert {part for part, each in found.items() if each["verdict"] == "fail"} == {"broker", "hub", "api"}
    assert found["hub"]["said"] == "has never run on this database"
    code, found = look(house, CITYHUB_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert (code, found["database"]["verdict"]) == (1, "fail")


def test_a_hub_that_died_and_a_stranger_on_its_port_are_found(house: House) -> None:
    house.start_hub()
    house.kill_hub()
    house.ask("update hub_run set beat_at = now() - interval '10 minutes' returning 1")
    house.ask("delete from schema_file where name = '008_address.sql' returning 1")
    house.ask("insert into ledger_minute (minute, device_id, received) values (now(), 0, 7) returning 1")
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        answering = threading.Thread(target=_answer_once, args=(stranger,))
        answering.start()
        code, found = look(house, CITYHUB_API_PORT=str(stranger.getsockname()[1]))
        answering.join()
    assert code == 1
    assert found["hub"]["said"] == "was last heard of 10 minutes ago"
    assert found["api"]["said"].startswith("another program listens")
    assert found["schema"]["step"] == "run `cityhub migrate`"
    assert found["ledger"]["said"] == "is off by 7 readings in the last day"


def _answer_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_where_no_hub_runs_the_doctor_says_how_to_start_one(home: Path) -> None:
    given = {**os.environ, "CITYHUB_HOME": str(home)}
    ended = subprocess.run(command("doctor"), env=given, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "start one with `cityhub up`" in " ".join(ended.stdout.split())


def test_secrets_that_others_may_read_are_found(house: House) -> None:
    note = house.home / "run" / "addresses.json"
    note.parent.mkdir(exist_ok=True)
    note.write_text("{}")
    note.chmod(0o644)
    assert look(house)[1]["secrets"]["verdict"] == "fail"
    note.chmod(0o600)
    assert look(house)[1]["secrets"]["verdict"] == "ok"


@pytest.fixture
def tls_port(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[int, Path]]:
    """A TLS server whose own certificate is good for so many days; its port, and the certificate."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-keyout", key, "-out", certificate, "-days", str(request.param), "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as plain:
        server = context.wrap_socket(plain, server_side=True)
        thread = threading.Thread(target=_shake_hands, args=(server,))
        thread.start()
        yield plain.getsockname()[1] if plain.fileno() >= 0 else server.getsockname()[1], certificate
        thread.join()
        server.close()


def _shake_hands(server: ssl.SSLSocket) -> None:
    try:
        server.accept()[0].close()
    except ssl.SSLError:
        return  # the other end did not trust us: that is the test


@pytest.mark.parametrize(
    ("tls_port", "verdict"), [(3, "fail"), (20, "attention"), (90, "ok")], indirect=["tls_port"]
)
def test_a_certificate_that_ends_soon_is_found_before_it_does(
    tls_port: tuple[int, Path], verdict: str
) -> None:
    (finding,) = services.certificate("certificate", "localhost", tls_port[0], tls_port[1])
    assert finding.verdict == verdict, datetime.now(UTC) + timedelta(days=3)


@pytest.mark.parametrize("tls_port", [90], indirect=True)
def test_a_certificate_that_nobody_vouches_for_is_not_valid(tls_port: tuple[int, Path]) -> None:
    (finding,) = services.certificate("certificate", "localhost", tls_port[0])
    assert (finding.verdict, "not valid" in finding.said) == ("fail", True)
