"""Enrolment over HTTP as an engineer's phone and a device meet it: tokens, roles, departments, labels, cards."""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from fix_hub import House, wait_for
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from api import accepting, accounts, enrolling, photo
from api.credentials import Site
from api.measuring import graded
from api.spot import Spot, distance_m, place_line
from cityhub.gatekeeper import Gatekeeper
from edge import credential
from edge import enrolling as edge_enrolling
from edge.credential import CredentialMissing
from edge.link import Address, dial, dialect
from ingest import enrolment, label, life, lists
from ingest.credentials import fits
from ingest.enrolment import Entry

GAUGE = {"id": "gauge-1", "profile": "river-gauge", "name": "南河 1 号", "lon": 120.5, "lat": 31.3}


class Office:
    """A hub with its API, an administrator and an engineer of the department water."""

    def __init__(self, house: House) -> None:
        self.house = house
        with house.connect() as connection:
            enrolment.enrol(connection, [Entry("pump-1", "Pump 1", "water", "river-gauge"), Entry("lamp-1", "Lamp", "municipal", "street-light")])  # fmt: skip
            self.passwords = {
                "li": accounts.create(connection, "li", "engineer", "water"),
                "wang": accounts.create(connection, "wang", "engineer"),
                "zhao": accounts.create(connection, "zhao", "operator", "water"),
            }
        house.start_api()
        self.clients: list[httpx.Client] = []

    def client(self, name: str) -> httpx.Client:
        client = httpx.Client(base_url=self.house.url, headers={"origin": self.house.url}, timeout=30)
        self.clients.append(client)
        answer = client.post("/api/v1/session", json={"name": name, "password": self.passwords[name]})
        assert answer.status_code == 200, answer.text
        return client

    def audit(self, action: str) -> list[tuple[Any, ...]]:
        return self.house.ask(
            "select actor, object, outcome from audit_entry where action = %s order by id", action
        )


@pytest.fixture
def office(house: House) -> Iterator[Office]:
    made = Office(house)
    yield made
    for client in made.clients:
        client.close()


@pytest.fixture
def gatekeeper(office: Office) -> Iterator[None]:
    made = Gatekeeper(office.house.database.url, office.house.broker.admit)
    made.start()
    yield
    made.close()


def enrol(office: Office, token: str) -> httpx.Response:
    return httpx.post(f"{office.house.url}/api/v1/enrol", json={"token": token}, timeout=30)


@pytest.mark.usefixtures("gatekeeper")
def test_a_token_becomes_a_credential_once(office: Office) -> None:
    answer = office.client("li").post("/api/v1/devices", json=GAUGE)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["link"] == f"{office.house.url}/enrol#{made['token']}"
    assert office.house.ask("select state from device where key = 'gauge-1'") == [("installed",)]
    first, second = enrol(office, made["token"]), enrol(office, made["token"])
    assert first.status_code == 200, first.text
    assert first.headers["cache-control"] == "no-store"
    got = first.json()
    assert (got["user"], got["client_id"], got["ready"]) == ("water/gauge-1", "edge-gauge-1", True)
    assert "city/v1/water/gauge-1/telemetry" in got["topics"]["publish"]
    assert second.status_code == 401
    assert got["password"] not in second.text
    assert [row[2] for row in office.audit("enrolment.redeem")] == ["done", "denied"]
    # What is kept opens nothing: neither token nor secret stands anywhere in the database.
    kept = office.house.ask("select pbkdf2, bcrypt from credential where revoked_at is null")
    assert fits(kept[0][0], got["password"])
    told = (
        str(office.house.ask("select * from enrolment_token"))
        + str(kept)
        + str(office.house.ask("select * from audit_entry"))
    )
    log = (office.house.home / "api.log").read_text()
    for secret in (got["password"], made["token"]):
        assert secret not in told
        assert secret not in log
    read = credential.read(got)
    assert repr(read).find(got["password"]) == -1
    # Without the credential of the fixture, which opens for any device: the broker's door for devices.
    at = Address(office.house.broker.device_url)
    own = Address(replace(read, host=at.host, port=at.port).url)
    client = dial(own, read.client_id, protocol=dialect(own), lasting=False, in_flight=10)
    client.loop_start()
    wait_for(client.is_connected, "the broker to let it in")
    revoked = office.client("li").delete("/api/v1/devices/gauge-1/credentials")
    assert revoked.status_code == 204
    wait_for(lambda: not client.is_connected(), "being thrown out")
    client.disconnect()
    client.loop_stop()
    assert office.audit("credential.revoke") == [("li", "gauge-1", "done")]


def test_a_token_that_is_old_withdrawn_or_wrong_opens_nothing(office: Office) -> None:
    li = office.client("li")
    withdrawn = li.post("/api/v1/devices", json=GAUGE).json()["token"]
    old = li.post("/api/v1/devices/gauge-1/enrolment").json()["token"]
    with office.house.connect() as connection:
        connection.execute("update enrolment_token set expires_at = now() where not withdrawn")
    answers = [enrol(office, token) for token in (withdrawn, old, "A" * 22, "")]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert len({answer.text for answer in answers}) == 1
    assert office.house.ask("select count(*) from credential") == [(0,)]
    fresh = li.post("/api/v1/devices/gauge-1/enrolment").json()["token"]
    assert enrol(office, fresh).status_code == 200


def test_a_stranger_who_tries_tokens_is_asked_to_wait(office: Office) -> None:
    token = office.client("li").post("/api/v1/devices", json=GAUGE).json()["token"]
    codes = [enrol(office, f"wrong-{number}").status_code for number in range(11)]
    assert codes == [401] * 10 + [429]
    assert enrol(office, token).status_code == 429


def test_the_memory_of_strangers_is_bounded() -> None:
    site = Site("mqtt://127.0.0.1:1883", "")
    for number in range(10_000):
        site.failed(f"10.0.{number >> 8}.{number & 255}")
    assert len(site._tries) == 4096
    assert site.allow("10.0.39.15")


def test_an_engineer_registers_in_the_own_department_and_others_do_not(office: Office) -> None:
    li, zhao, wang = (office.client(name) for name in ("li", "zhao", "wang"))
    assert zhao.post("/api/v1/devices", json=GAUGE).status_code == 403
    assert li.post("/api/v1/devices", json={**GAUGE, "department": "municipal"}).status_code == 403
    assert li.post("/api/v1/devices/lamp-1/enrolment").status_code == 404
    assert li.post("/api/v1/devices/lamp-1/credentials").status_code == 404
    assert li.delete("/api/v1/devices/lamp-1/credentials").status_code == 404
    assert wang.post("/api/v1/devices", json=GAUGE).status_code == 422
    assert wang.post("/api/v1/devices", json={**GAUGE, "department": "municipal"}).status_code == 201
    again = li.post("/api/v1/devices", json={**GAUGE, "id": "pump-1"})
    assert again.status_code == 409
    for wrong in ({"profile": "none"}, {"gateway": "nobody"}, {"id": "hub"}, {"lon": None}, {"code": "x"}):
        assert li.post("/api/v1/devices", json={**GAUGE, "id": "gauge-2", **wrong}).status_code == 422, wrong
    assert office.house.ask("select count(*) from device where key like 'gauge-%%'") == [(1,)]
    assert httpx.post(f"{office.house.url}/api/v1/devices", json=GAUGE).status_code == 401


def test_the_label_of_a_device_finds_its_profile(office: Office) -> None:
    li = office.client("li")
    made = li.post("/api/v1/devices", json={"id": "cover-9", "code": "3205080101000001"})
    assert made.json()["profile"] == "manhole-cover"
    found = li.get("/api/v1/labels", params={"code": "River-Gauge; SN 0042"}).json()
    assert found == {"profile": "river-gauge", "serial": "SN 0042"}
    assert li.get("/api/v1/labels", params={"code": "nobody's"}).status_code == 409


@given(st.text(max_size=250))
def test_no_label_breaks_the_matching(code: str) -> None:
    profiles: list[tuple[str, dict[str, Any]]] = [
        ("a", {"labels": ["*a*a*", "??b*"]}),
        ("b", {"labels": ["a*"]}),
    ]
    with suppress(label.LabelError):
        assert label.match(code, profiles).profile in {"a", "b"}


def jpeg(size: tuple[int, int] = (2400, 1200), *, orientation: int = 6) -> bytes:
    picture = Image.effect_noise(size, 40).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8825).update({1: "N", 2: (IFDRational(31), IFDRational(18), IFDRational(0))})
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif, quality=40)
    return out.getvalue()


def test_a_picture_is_drawn_anew_without_the_place_it_was_taken_at() -> None:
    taken = jpeg()
    assert Image.open(io.BytesIO(taken)).getexif().get_ifd(0x8825)
    kept = Image.open(io.BytesIO(photo.drawn(taken)))
    assert kept.format == "JPEG"
    assert kept.size == (800, 1600)  # upright, and not larger than it is looked at
    assert not kept.getexif()
    assert b"Exif" not in photo.drawn(taken)


@pytest.mark.parametrize(
    "body", [b"", b"GIF89a" + bytes(50), b"\xff\xd8\xff" + bytes(50), jpeg()[:2000], b"\x89PNG\r\n\x1a\n" + bytes(9)],
    ids=["empty", "gif", "zeros", "cut", "png"],
)  # fmt: skip
def test_what_is_no_picture_is_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(photo.PhotoError):
        photo.drawn(body)


@pytest.mark.parametrize(
    "side", [7_100, 10_000, 14_000]
)  # beyond our limit, the library's warning, its error
def test_a_picture_that_would_fill_the_memory_is_refused(side: int) -> None:
    out = io.BytesIO()
    Image.new("1", (side, side)).save(out, "PNG")
    assert len(out.getvalue()) < 1_000_000
    with pytest.raises(photo.PhotoError):
        photo.drawn(out.getvalue())


def test_a_distance_is_what_a_map_says() -> None:
    # One minute of latitude is a nautical mile, 1,853 m on this sphere.
    assert distance_m(120, 31, Spot(120, 31 + 1 / 60)) == pytest.approx(1853.2, abs=0.5)
    assert place_line(120, 31, ["lake"], Spot(120.0001, 31, 5)).verdict == "ok"
    assert place_line(120, 31, ["lake"], Spot(120.01, 31, 5)).verdict == "fail"
    assert place_line(120, 31, [], Spot(120, 31)).verdict == "attention"
    assert place_line(None, None, [], None).verdict == "attention"


def test_limits_grade_both_ways() -> None:
    assert [graded(value, (0.9, 0.5)) for value in (1, 0.9, 0.6, 0.4)] == ["ok", "ok", "attention", "fail"]
    assert [graded(value, (0, 0.01)) for value in (0, 0.01, 0.02)] == ["ok", "attention", "fail"]
    assert [graded(value, (-110, -120)) for value in (-80, -115, -125)] == ["ok", "attention", "fail"]


def test_a_device_is_watched_measured_photographed_signed_and_printed(office: Office) -> None:
    house, li = office.house, office.client("li")
    assert li.post("/api/v1/devices", json=GAUGE).status_code == 201
    at = "/api/v1/devices/gauge-1"
    assert li.get(f"{at}/onboarding").json()["state"] == "created"
    empty = li.get(f"{at}/acceptance").json()["now"]
    assert empty["verdict"] == "fail"
    assert li.post(f"{at}/acceptance", json={}).status_code == 409
    li.post(f"{at}/credentials")
    assert li.get(f"{at}/onboarding").json()["state"] == "enrolled"
    house.start_hub()
    device = house.publisher()
    house.send(device, "city/v1/water/gauge-1/telemetry", {"values": {"stage": 1}})
    refused = wait_for(lambda: li.get(f"{at}/onboarding").json()["refused"], "the refusal")
    assert refused[0]["reason"] == "unknown-metric"
    now = round(time.time() * 1000)
    for turn in range(20, -1, -1):
        values = {"level": 2.0 + turn % 3 / 100, "rain": 0, "battery": 12.5}
        house.send(device, "city/v1/water/gauge-1/telemetry", {"ts": now - turn * 300_000, "values": values})
    wait_for(lambda: house.ask("select count(*) from reading") == [(63,)], "all readings")
    progress = wait_for(
        lambda: (said := li.get(f"{at}/onboarding").json())["state"] == "reading" and said,
        "the state reading",
    )
    assert {row["metric"] for row in progress["latest"]} == {"level", "rain", "battery"}
    with house.connect() as connection:  # the refusal was before the watch
        connection.execute("update ledger_minute set received = received - rejected, rejected = 0")
    put = li.put(f"{at}/photo", content=jpeg((900, 600)), headers={"content-type": "image/jpeg"})
    assert put.status_code == 201, put.text
    shown = li.get(
        f"{at}/acceptance", params={"minutes": 60, "lon": 120.5001, "lat": 31.3, "accuracy": 8}
    ).json()["now"]
    lines = {line["what"]: line for line in shown["lines"]}
    assert lines["rate level"]["value"].startswith("12 came") or lines["rate level"]["value"].startswith(
        "13 came"
    )
    assert [lines[what]["verdict"] for what in ("rate level", "range level", "loss", "photo")] == ["ok"] * 4
    assert "10 m away" in lines["place"]["value"]
    assert lines["place"]["verdict"] == "attention"  # no zone covers it
    zhao = office.client("zhao")
    assert zhao.get(f"{at}/acceptance").status_code == 200
    assert zhao.post(f"{at}/acceptance", json={}).status_code == 403
    signed = li.post(
        f"{at}/acceptance", json={"minutes": 60, "lon": 120.5001, "lat": 31.3, "remark": "水尺已校"}
    )
    assert signed.status_code == 201, signed.text
    assert (signed.json()["signed_by"], signed.json()["remark"]) == ("li", "水尺已校")
    assert house.ask("select state from device where key = 'gauge-1'") == [("commissioned",)]
    assert li.get(f"{at}/onboarding").json()["state"] == "accepted"
    assert li.get(f"{at}/acceptance").json()["signed"]["id"] == signed.json()["id"]
    printed = li.get(f"{at}/acceptance.pdf")
    assert printed.headers["content-type"] == "application/pdf"
    assert printed.content.startswith(b"%PDF-")
    assert b"NotoSansSC" in printed.content
    assert b"FontFile2" in printed.content
    assert len(re.findall(rb"/Subtype /Image", printed.content)) == 1
    assert li.get(f"{at}/photo").content.startswith(b"\xff\xd8")


def test_a_gateway_far_away_changes_its_token_for_a_file(office: Office, home: Path) -> None:
    with office.house.connect() as connection:
        token = enrolling.token_for(connection, "li", "pump-1")
    got = edge_enrolling.enrol(f"{office.house.url}/enrol#{token.secret}")
    got.save(home / "keys" / "pump-1.json")
    assert (home / "keys" / "pump-1.json").stat().st_mode & 0o777 == 0o600
    assert credential.load(home / "keys" / "pump-1.json") == got
    with pytest.raises(edge_enrolling.NotEnrolled, match="opens nothing"):
        edge_enrolling.enrol(f"{office.house.url}/enrol#{token.secret}")
    for wrong in ("", "token", "ftp://x/enrol#t", f"{office.house.url}/enrol"):
        with pytest.raises(edge_enrolling.NotEnrolled, match="no enrolment link"):
            edge_enrolling.enrol(wrong)
    with pytest.raises(CredentialMissing):
        credential.load(home / "keys" / "nobody.json")


def beside(house: House, deed: Callable[[psycopg.Connection], object]) -> tuple[threading.Thread, list[str]]:
    """A deed on a connection of its own, begun and held up by a lock; what becomes of it is in the list."""
    said: list[str] = []

    def run() -> None:
        with house.connect() as connection:
            try:
                deed(connection)
                said.append("done")
            except (psycopg.Error, enrolling.EnrollingError) as error:
                said.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run)
    thread.start()
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    wait_for(lambda: said or house.ask(waits) == [(1,)], "it to wait")
    return thread, said


def test_two_engineers_with_one_id_at_the_same_moment_make_one_device(house: House) -> None:
    with house.connect() as connection:
        with connection.transaction():
            enrolling.register(connection, "li", Entry("g-1", "G", "water", "river-gauge"))
            other = Entry("g-1", "Other", "municipal", "street-light")
            thread, said = beside(house, lambda at: enrolling.register(at, "wang", other))
        thread.join()
    assert len(said) == 1
    assert "registered already" in said[0]
    assert house.ask("select name from device where key = 'g-1'") == [("G",)]


def test_a_device_is_registered_while_a_list_is_being_imported(house: House) -> None:
    with house.connect() as connection:
        with connection.transaction():
            lists.lock(connection)
            entry = Entry("g-1", "G", "water", "river-gauge")
            thread, said = beside(house, lambda at: enrolling.register(at, "li", entry))
            enrolment.enrol(connection, [Entry("g-2", "G", "water", "river-gauge")])
        thread.join()
    assert said == ["done"]
    assert house.ask("select key from device where key like 'g-%%' order by key") == [("g-1",), ("g-2",)]


def test_of_two_tokens_asked_for_at_the_same_moment_one_opens(house: House) -> None:
    with house.connect() as connection:
        enrolment.enrol(connection, [Entry("g-1", "G", "water", "river-gauge")])
        with connection.transaction():
            enrolling.token_for(connection, "li", "g-1")
            thread, said = beside(house, lambda at: enrolling.token_for(at, "wang", "g-1"))
        thread.join()
    assert said == ["done"]
    assert house.ask("select created_by from enrolment_token where not withdrawn") == [("wang",)]


def test_the_hub_itself_is_no_device_of_the_field(house: House) -> None:
    with house.connect() as connection:
        enrolment.enrol_hub(connection)
        for deed in (enrolling.token_for, enrolling.revoke):
            with pytest.raises(enrolling.EnrollingError, match="no device hub"):
                deed(connection, "li", "hub")
        with pytest.raises(enrolling.EnrollingError, match="no device hub"):
            enrolling.issue(connection, "hub", "li")
        with pytest.raises(life.LifeError, match="the hub itself"):
            life.step(connection, ["hub"], "retired", who="li", because="a mistake")


def test_a_signed_card_is_signed_by_an_engineer_of_that_department(house: House) -> None:
    assert isinstance(house.database.url, str)
    with psycopg.connect(house.database.url, autocommit=True) as connection:
        enrolment.enrol(
            connection,
            [Entry("a-1", "A", "water", "river-gauge"), Entry("b-1", "B", "municipal", "street-light")],
        )
        accounts.create(connection, "li", "engineer", "water")
        accounts.create(connection, "zhao", "operator", None)
        accepting.signer(connection, "li", "a-1")
        for name, device in (("li", "b-1"), ("zhao", "a-1"), ("nobody", "a-1")):
            with pytest.raises(accepting.AcceptingError, match="no engineer"):
                accepting.signer(connection, name, device)
