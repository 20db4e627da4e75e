"""A gateway's file: what it says is what runs, and each mistake names file, key and what was wanted."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cityhub import drivers, gateway, trial
from cityhub.gateway import CREDENTIAL, Gateway, credential, parse
from cityhub.settings import OperatorError
from edge.command import write_durably
from edge.credential import Credential
from edge.drivers.conversation import Watch

FILE = Path("gateway.toml")
HEAD = '[gateway]\nid = "gw-1"\ndepartment = "water"\nbroker = "mqtts://hub.city:8883"\n'
LINES = '[[driver]]\nkind = "jsonlines"\nlisten = "127.0.0.1:8471"\n'
STATIONS = '[[driver]]\nkind = "sl651"\nlisten = "h:1"\n'
SERIAL = '[[driver]]\nkind = "modbus"\nserial = "/dev/ttyUSB0"\n'


def test_a_small_file_is_enough_and_its_defaults_are_these() -> None:
    plan = parse(HEAD + LINES, FILE)
    assert plan == Gateway(
        id="gw-1", department="water", broker="mqtts://hub.city:8883", user="gw-1", credential=None, ca=None,
        home=Path("/var/lib/cityhub-edge"), journal_mb=1_024, when_full="refuse", hub_key=None, capture_mb=16,
        silence_s=900, deadband={}, drivers=plan.drivers,
    )  # fmt: skip
    (driver,) = plan.drivers
    assert (driver.name, driver.way, driver.host, driver.port) == ("jsonlines", "listen", "127.0.0.1", 8471)


def test_the_example_of_the_documentation_is_a_file_that_works() -> None:
    page = (Path(__file__).parents[1] / "docs" / "edge.md").read_text()
    text = page.split("```toml\n")[1].split("```")[0]
    plan = parse(text, FILE)
    assert len(plan.drivers) > 3
    for each in plan.drivers:
        drivers.check(FILE, each)


@pytest.mark.parametrize(
    ("text", "said", "wanted"),
    [
        ("x = ", "gateway.toml: ", "texts in quotes"),
        (LINES, "gateway.toml: gateway.id is missing", "lower-case"),
        (HEAD, "gateway.toml: there is no driver", "[[driver]]"),
        (HEAD + LINES + "[gatway]\n", "gateway.toml: gatway is not known", "[gateway]"),
        (HEAD.replace("gw-1", "GW 1") + LINES, "gateway.id is 'GW 1'", "lower-case"),
        (HEAD + 'hub_key = "钥"\n' + LINES, "gateway.hub_key is", "44 characters"),
        (HEAD.replace("mqtts://", "http://") + LINES, "gateway.broker is no address", "mqtts://"),
        (HEAD.replace("//hub", "//u:secret@hub") + LINES, "gateway.broker has a password in it", "credential ="),
        (HEAD + "jornal_mb = 4\n" + LINES, "gateway.jornal_mb is not known", "journal_mb"),
        (HEAD + "journal_mb = 4\n" + LINES, "gateway.journal_mb is 4", "16 to"),
        (HEAD + "journal_mb = true\n" + LINES, "gateway.journal_mb is True", "megabytes"),
        (HEAD + 'when_full = "drop"\n' + LINES, "gateway.when_full is 'drop'", "refuse, drop-oldest"),
        (HEAD + 'hub_key = "abc="\n' + LINES, "gateway.hub_key is 'abc='", "44 characters"),
        (HEAD + LINES.replace("jsonlines", "json"), "driver 1.kind is 'json'", "sl651"),
        (HEAD + '[[driver]]\nkind = "jsonlines"\n', "driver 1 (jsonlines) has no place", "listen ="),
        (HEAD + LINES + 'serial = "/dev/ttyS0"\n', "driver 1 (jsonlines) has listen and serial", "one of"),
        (HEAD + LINES.replace(":8471", ""), "driver 1.listen is '127.0.0.1'", "host:port"),
        (HEAD + LINES.replace(":8471", ":84710"), "driver 1.listen is '127.0.0.1:84710'", "host:port"),
        (HEAD + LINES + "port = 3\n", "driver 1.port is not known", "listen"),
        (HEAD + LINES + LINES, "two drivers are called jsonlines", "name ="),
        (HEAD + LINES.replace("jsonlines", "modbus"), "driver 1.listen is", "connect = or serial ="),
        (HEAD + LINES + "[driver.stations]\n1 = 2\n", "driver 1.stations.1 is 2", "a device id"),
        (HEAD + "[report]\nsilence_s = 0\ndeadband = {}\n" + LINES, "report.silence_s is 0", "1 to 86400"),
        (HEAD + "[report]\ndeadband = {level = -1}\n" + LINES, "report.deadband.level is -1", "at least 0"),
        (HEAD + SERIAL + 'frame = "9N1"\n', "driver 1.frame is '9N1'", "8N1"),
        (HEAD + "[pictures]\n" + STATIONS, "pictures.folder is missing", "a folder"),
        (HEAD + '[pictures]\nfolder = "p"\nmb = 1\n' + STATIONS, "pictures.mb is 1", "2 to"),
        (HEAD + '[pictures]\nfolder = "p"\nage = 1\n' + STATIONS, "pictures.age is not known", "folder, files"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_file_the_key_and_what_was_wanted(text: str, said: str, wanted: str) -> None:
    with pytest.raises(OperatorError) as mistake:
        parse(text, FILE)
    assert str(mistake.value).startswith("gateway.toml: ")
    assert said in str(mistake.value)
    assert wanted in mistake.value.hint


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        ('kind = "jsonlines"\nlisten = "h:1"\n[driver.options]\nx = 1\n', "options.x is not known"),
        ('kind = "jsonlines"\nlisten = "h:1"\n[driver.stations]\nx = "y"\n', "jsonlines has no stations"),
        ('kind = "sl651"\nlisten = "h:1"\n[driver.options]\nset_clock_s = "no"\n', "options.set_clock_s is 'no'"),
        ('kind = "sl651"\nlisten = "h:1"\n[driver.options]\nacknowledge = "no"\n', "acknowledge 'no'"),
        ('kind = "sl651"\nlisten = "h:1"\n[driver.stations]\nx = "y"\n', "station 'X'"),
        ('kind = "sdi12"\nserial = "/dev/x"\n[driver.stations]\n0 = "y"\n', "options.sensors is missing"),
        ('kind = "sdi12"\nserial = "/dev/x"\n[driver.stations]\n0 = "y"\n[driver.options.sensors.0]\nparameters = [3]\n', "a parameter of sensor 0 is 3"),
        ('kind = "modbus"\nconnect = "h:1"\n[driver.stations]\n1 = "y"\n', "options.maps is missing"),
        ('kind = "modbus"\nconnect = "h:1"\noptions = {maps = {1 = "none"}}\n[driver.stations]\n1 = "y"\n', "no register map 'none'"),
    ],
)  # fmt: skip
def test_a_drivers_own_options_are_checked_before_anything_is_opened(driver: str, said: str) -> None:
    plan = parse(f"{HEAD}[[driver]]\n{driver}", FILE)
    with pytest.raises(OperatorError) as mistake:
        drivers.check(FILE, plan.drivers[0])
    assert str(mistake.value).startswith(f"gateway.toml: driver {plan.drivers[0].name}: ")
    assert said in str(mistake.value)


@pytest.mark.parametrize(
    "driver",
    [
        'kind = "sl427"\nlisten = "h:1"\n[driver.stations]\n"110108/1284" = "y"\n[driver.options]\nszy206 = ["110108/1284"]\n',
        'kind = "sdi12"\nserial = "/dev/ttyUSB0"\nstations = {0 = "y"}\n[driver.options.sensors.0]\nparameters = ["level", {metric = "battery", gain = 0.1}]\ncommand = "C"\n',
    ],
)  # fmt: skip
def test_every_kind_of_driver_can_be_put_together_from_a_file(driver: str) -> None:
    plan = parse(f"{HEAD}[[driver]]\n{driver}", FILE)
    drivers.check(FILE, plan.drivers[0])


@pytest.mark.parametrize(
    ("text", "said", "wanted"),
    [
        (place + key, f"driver 1.{key.split()[0]} does nothing here", f"it goes with {way} =")
        for way, keys in {
            "listen": ("idle_s = 60", "greeting_s = 60", "silent_each = 5", "links = 5"),
            "serial": ("baud = 1200", 'frame = "7E1"'),
        }.items()
        for other, place in {
            "listen": 'kind = "sl651"\nlisten = "0.0.0.0:1"\n',
            "connect": 'kind = "sl651"\nconnect = "host:1"\n',
            "serial": 'kind = "modbus"\nserial = "/dev/ttyUSB0"\n',
        }.items()
        if other != way
        for key in keys
    ],
)
def test_a_key_that_would_do_nothing_is_a_mistake(text: str, said: str, wanted: str) -> None:
    with pytest.raises(OperatorError, match=said) as told:
        parse(f"{HEAD}[[driver]]\n{text}\n", FILE)
    assert wanted in told.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD.replace("mqtts", "mqtt") + 'ca = "ca.pem"\n' + LINES, "gateway.ca does nothing here"),
        (HEAD + LINES + "[report]\nsilence_s = 60\n", "report.silence_s does nothing here"),
        (HEAD + LINES + '[pictures]\nfolder = "p"\n', "pictures.folder does nothing here"),
    ],
)
def test_a_key_that_another_key_makes_idle_is_a_mistake(text: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        parse(text, FILE)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("polled = true", "polled without query_s"),
        ("centre = 2", "centre, password and text"),
        ('acknowledge = "none"\nset_clock_s = 60', "set_clock_s with acknowledge"),
    ],
)
def test_an_option_of_sl651_that_would_do_nothing_is_a_mistake(options: str, said: str) -> None:
    plan = parse(
        f'{HEAD}[[driver]]\nkind = "sl651"\nlisten = "0.0.0.0:1"\n[driver.options]\n{options}\n', FILE
    )
    with pytest.raises(OperatorError, match=said):
        drivers.check(FILE, plan.drivers[0])


@pytest.mark.parametrize("kind", ["sl651", "sl427", "hj212"])
def test_the_links_of_a_driver_share_its_list_of_stations(kind: str) -> None:
    """Two thousand links, each with a list of two thousand stations of its own, are 400 MB."""
    plan = parse(
        f'{HEAD}[[driver]]\nkind = "{kind}"\nlisten = "0.0.0.0:1"\nstations = {{ 00aabbccdd = "a" }}\n', FILE
    )
    (one,) = plan.drivers
    begin = drivers._dialogue(one, drivers._loaded(one), Watch())
    first, second = begin(), begin()
    assert first is not second
    assert first._listed is second._listed  # type: ignore[attr-defined]
    assert list(first._listed.values()) == ["a"]  # type: ignore[attr-defined]


def test_the_password_comes_from_a_file_that_only_its_owner_reads_or_from_the_environment(
    tmp_path: Path,
) -> None:
    file = tmp_path / "credential"
    file.write_text("secret\n")
    plan = parse(f'{HEAD}credential = "{file}"\n{LINES}', FILE)
    file.chmod(0o644)
    with pytest.raises(OperatorError, match="others may read the credential"):
        credential(plan, {})
    file.chmod(0o600)
    assert credential(plan, {}) == ("gw-1", "secret")
    relative = parse(f'{HEAD}credential = "credential"\n{LINES}', FILE)
    assert credential(relative, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == ("gw-1", "secret")
    none = parse(HEAD + LINES, FILE)
    assert credential(none, {CREDENTIAL: "other"}) == ("gw-1", "other")
    file.unlink()
    with pytest.raises(OperatorError, match="cannot read the credential"):
        credential(plan, dict(os.environ))


def test_the_credential_of_another_gateway_is_not_taken(tmp_path: Path) -> None:
    """The broker would let it in, and drop in silence what it says of itself."""
    file = tmp_path / "gw-1.json"
    own = Credential("gw-1", "water", "water/gw-1", "secret", "edge-gw-1", "hub.city", 8883)
    plan = parse(f'{HEAD}credential = "{file}"\n{LINES}', FILE)
    own.save(file)
    assert credential(plan, {}) == ("water/gw-1", "secret")
    for other in (replace(own, device="gw-2"), replace(own, department="police")):
        other.save(file)
        with pytest.raises(OperatorError, match=f"is the credential of {other.device} of {other.department}"):
            credential(plan, {})


def test_what_the_hub_has_sent_runs_until_a_person_changes_the_file(tmp_path: Path) -> None:
    file, home = tmp_path / "gateway.toml", tmp_path / "home"
    home.mkdir()
    base = f'{HEAD}home = "{home}"\n{LINES}'
    file.write_text(base)
    assert trial.chosen(file) == (gateway.read(file), None, "")
    trial.keep(home, base.replace(LINES, "journal_mb = 99\n" + LINES), file)
    own, sent, why = trial.chosen(file)
    assert (own.journal_mb, sent and sent.journal_mb, why) == (1_024, 99, "")
    trial.keep(home, base.replace("jsonlines", "morse"), file)
    own, sent, why = trial.chosen(file)
    assert (own.journal_mb, sent) == (1_024, None)
    assert "driver 1.kind is 'morse'" in why
    file.write_text(base.replace(LINES, "journal_mb = 77\n" + LINES))
    assert trial.chosen(file) == (gateway.read(file), None, "")
    write_durably(home / trial.REMOTE, b"nonsense")
    assert trial.chosen(file).sent is None
    assert "cannot be read" in trial.chosen(file).why


@pytest.mark.parametrize("change", [('"gw-1"', '"gw-2"'), ('"water"', '"fire"')])
def test_from_afar_a_gateway_stays_the_one_that_it_is(tmp_path: Path, change: tuple[str, str]) -> None:
    text = f'{HEAD}home = "{tmp_path}"\n{LINES}'
    before = gateway.parse(text, FILE)
    assert trial.allowed(text, before) == before
    with pytest.raises(OperatorError, match="cannot be changed from afar"):
        trial.allowed(text.replace(*change), before)


def test_pictures_are_kept_beneath_the_home_or_where_a_whole_path_says() -> None:
    beneath = parse(HEAD + '[pictures]\nfolder = "shots"\n' + STATIONS, FILE).pictures
    assert beneath == gateway.PicturePlan(Path("/var/lib/cityhub-edge/shots"), 10_000, 1_024, 30)
    apart = parse(HEAD + '[pictures]\nfolder = "/srv/shots"\ndays = 2\n' + STATIONS, FILE).pictures
    assert apart == gateway.PicturePlan(Path("/srv/shots"), 10_000, 1_024, 2)
