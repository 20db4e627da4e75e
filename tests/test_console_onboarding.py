"""A device walks from its label to its signed card on an engineer's phone: a real browser, a real device on MQTT."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import segno
from fix_hub import House, wait_for
from PIL import Image

from api import accounts
from cityhub.gatekeeper import Gatekeeper
from edge import credential
from edge.link import Address, Client, dial, dialect
from ingest import enrolment
from ingest.enrolment import Entry

CONSOLE = Path(__file__).parent.parent / "console"
PATIENCE_S = 170

pytestmark = pytest.mark.timeout(240)


class Field:
    """A hub, an engineer and an operator, and the device that the engineer mounts."""

    def __init__(self, house: House, photo: Path) -> None:
        self.house, self.photo = house, photo
        house.city()
        with house.connect() as connection:
            enrolment.enrol(
                connection, [Entry("gauge-6", "Old gauge", "water", "river-gauge", state="installed")]
            )
            self.passwords = {
                "li": accounts.create(connection, "li", "engineer", "water"),
                "zhao": accounts.create(connection, "zhao", "operator", "water"),
            }
        house.start_hub()
        house.start_api()
        Image.effect_noise((2400, 1800), 40).convert("RGB").save(photo, "JPEG")
        self.device: Client | None = None
        self._ends = ExitStack()

    def invited(self, link: str) -> None:
        """The device changes the token of the link for its credential, and connects with it."""
        site, _, token = link.partition("/enrol#")
        assert site == self.house.url
        answer = httpx.post(f"{site}/api/v1/enrol", json={"token": token}, timeout=30)
        assert answer.status_code == 200, answer.text
        # The broker's door for devices: the fixture's own address opens for any.
        door, own = Address(self.house.broker.device_url), credential.read(answer.json())
        address = Address(replace(own, host=door.host, port=door.port).url)
        self.device = dial(address, own.client_id, protocol=dialect(address), lasting=False, in_flight=10)
        self.device.loop_start()
        self._ends.callback(self.device.loop_stop)
        self._ends.callback(self.device.disconnect)
        wait_for(self.device.is_connected, "the broker to let the device in")

    def enrolled(self) -> None:
        """It says something that its profile does not know."""
        self._send(0, {"leval": 1.5})

    def refused(self) -> None:
        """It says what it should, as often as it should; the supply is far too low."""
        for turn in (3, 2, 1, 0):
            self._send(300 * turn, {"level": 1.5 + turn / 100, "rain": 0, "battery": 5.1})

    def _send(self, ago_s: int, values: dict[str, float]) -> None:
        assert self.device is not None
        said = {"ts": round((time.time() - ago_s) * 1000), "values": values}
        self.house.send(self.device, "city/v1/water/gauge-7/telemetry", said)

    def end(self) -> None:
        self._ends.close()


@pytest.fixture
def field(house: House, tmp_path: Path) -> Iterator[Field]:
    made = Field(house, tmp_path / "mounted.jpg")
    keeper = Gatekeeper(house.database.url, house.broker.admit)
    keeper.start()
    yield made
    made.end()
    keeper.close()


def drive(field: Field) -> dict[str, Any]:
    """Let the browser do what the engineer does, and the device what it does then."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine: install the package chromium to test the console")
    if shutil.which("node") is None:
        pytest.skip("there is no Node on this machine: install Node 20.19 or newer to test the console")
    if not (CONSOLE / "node_modules" / "playwright-core").is_dir():
        pytest.skip("the console's packages are not installed: run `npm ci` in console/")
    said = {
        "CHROMIUM": chromium, "CONSOLE_URL": field.house.url, "CONSOLE_USER": "li",
        "CONSOLE_PASSWORD": field.passwords["li"], "OPERATOR_PASSWORD": field.passwords["zhao"], "PHOTO": str(field.photo),
    }  # fmt: skip
    acts: dict[str, Callable[..., None]] = {
        "invited": field.invited,
        "enrolled": field.enrolled,
        "refused": field.refused,
    }
    with subprocess.Popen(
        ["node", "tests/drive_onboarding.mjs"],
        cwd=CONSOLE,
        env={**os.environ, **said},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as browser:
        assert browser.stdin is not None
        assert browser.stdout is not None
        try:
            for line in browser.stdout:
                told: dict[str, Any] = json.loads(line)
                step = told.pop("step")
                if step == "end":
                    found: dict[str, Any] = told["found"]
                    assert "stopped" not in found, json.dumps(found, indent=2, ensure_ascii=False)
                    return found
                acts[step](**told)
                browser.stdin.write("\n")
                browser.stdin.flush()
        finally:
            browser.kill()
    pytest.fail("the browser ended without a word")


def test_a_device_walks_from_its_label_to_its_signed_card_on_a_phone(field: Field) -> None:
    found = drive(field)

    # The browser complains of nothing (the CSP included), nothing is too small or cut off, all of it is Chinese.
    assert found["faults"] == []
    assert not any(found["small"].values()), found["small"]
    well = {"sideways": 0, "below": 0, "cut": []}
    assert all(wide == well for wide in found["wide"].values()), found["wide"]
    assert not any(found["latin"].values()), found["latin"]

    # What is missing is said where it is missing; the label says the kind, the phone the place and how well it knows it.
    assert len(found["faultsSaid"]) == 2
    assert found["focused"]
    assert found["suggested"] == "river-gauge-sn-0042"
    assert "12 米" in found["place"]
    # Without a network nothing that was typed is lost.
    assert "已保留" in found["unsent"]
    assert found["kept"] == "gauge-7"
    assert field.house.ask(
        "select name, lon, lat, datum, created_at is not null from device where key = 'gauge-7'"
    ) == [("柳堰水位站", 120.571222, 31.301646, "WGS84", True)]

    # The token is in the picture and in the line; nowhere where it would stay.
    used = "select used_at is not null from enrolment_token where device_id = (select id from device where key = 'gauge-7')"
    assert field.house.ask(used) == [(True,)]
    assert found["qr"].startswith("data:image/svg+xml")
    assert found["left"][0] != found["left"][1]
    assert found["leaked"] == []
    assert f"'{found['link']}'" in found["scanned"]

    # What is refused is told with its reason and what to do; what comes, with its flag.
    for part in ("未知指标", "leval", "下一步"):
        assert part in found["refused"]
    assert {metric: flag for metric, (flag, _) in found["readings"].items()} == {
        "level": "1",
        "rain": "1",
        "battery": "3",
    }
    assert "可疑" in found["readings"]["battery"][1]
    assert "1.5 m" in found["readings"]["level"][1]

    # The card: each line with its verdict; photo and place come from the phone, once there is a network.
    assert found["before"]["photo"] == "attention"
    assert found["before"]["place"] == "attention"
    assert "起连接中断" in found["banner"]
    assert found["preview"] == 1600
    assert found["verdict"] == "fail"
    assert "拒收 1" in found["card"]
    assert field.house.ask("select count(*) from device_photo") == [(1,)]

    # Signed by who is signed in, with the remark that a failing card wants; then it is in service.
    assert "li" in found["signer"]
    assert "备注" in found["needed"]
    assert found["remark"].startswith("试发")
    assert "li" in found["signed"]
    assert found["pdf"] == "%PDF-"
    assert field.house.ask("select signed_by, verdict, remark from acceptance") == [
        ("li", "fail", found["remark"])
    ]
    assert field.house.ask("select state from device where key = 'gauge-7'") == [("commissioned",)]

    # An id that is taken leads to its device; a device behind a gateway is shown no token.
    assert found["taken"] == ["gauge-6 is registered already.", "#connect/gauge-6"]
    assert found["behind"].startswith("gateway-01 speaks")
    assert found["behindToken"] == 0

    # Who waits for a card is listed, the signed one no longer; the desk keeps its levels; others get a sentence.
    assert len(found["waiting"]) == 1
    assert "gauge-6" in found["waiting"][0]
    assert found["desk"] == {"strip": 4, "clock": True}
    assert found["back"] == ""
    assert "值守员" in found["operator"]
    assert found["operatorTabs"] == 3


def test_the_code_to_scan_is_drawn_by_the_hub_and_says_the_link(house: House) -> None:
    house.city()
    house.start_api()
    answer = house.sign_in().post(
        "/api/v1/devices",
        json={
            "id": "gauge-7",
            "profile": "river-gauge",
            "department": "water",
            "lon": 120.6,
            "lat": 31.3,
            "datum": "GCJ02",
        },
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    wanted = segno.make(made["link"], error="m", micro=False)
    assert made["qr"] == wanted.svg_data_uri(border=4, light="#fff")
    # A place off a shifted map is kept as given, and put where it is.
    lon, lat, *given = house.ask(
        "select lon, lat, datum, given_lon, given_lat from device where key = 'gauge-7'"
    )[0]
    assert given == ["GCJ02", 120.6, 31.3]
    assert (120.6 - lon, lat - 31.3) == pytest.approx((0.0042, 0.0022), abs=0.0005)
