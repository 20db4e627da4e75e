"""Pictures of stations on the gateway's disk: which are written, under which name, and which go when there are too many."""

from __future__ import annotations

import os
import resource
import socket
import time
from pathlib import Path

import pytest
from fix_sl651 import OBSERVED, RTU, hexframe, report

from cityhub.gateway import CREDENTIAL, parse
from cityhub.outpost import Outpost
from cityhub.settings import OperatorError
from edge.agent import Agent
from edge.drivers.conversation import Watch
from edge.drivers.dialogue import Picture
from edge.drivers.listener import Listener
from edge.drivers.sl651 import Sl651
from edge.pictures import Pictures

NOBODY = "mqtt://field:secret@127.0.0.1:1"
AT_US = 1_782_853_200_000_000  # OBSERVED, in UTC 2026-06-30 21:00
JPEG = b"\xff\xd8" + bytes(range(200)) + b"\xff\xd9"
NAME = "cam-1-20260630T210000Z"


def shot(jpeg: bytes = JPEG, at_s: int = 0, device: str = "cam-1", *, whole: bool = True) -> Picture:
    return Picture(device, AT_US + at_s * 1_000_000, jpeg, whole)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_picture_is_named_for_its_station_and_time_and_one_that_comes_again_is_one(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path / "kept")
    assert not pictures.folder.exists()  # before the first
    assert pictures.keep(shot()) == pictures.keep(shot()) == f"{NAME}.jpg"
    other = pictures.keep(shot(JPEG[::-1]))  # of the same second
    assert (other.startswith(f"{NAME}-"), pictures.keep(shot(JPEG[::-1]))) == (True, other)
    half = pictures.keep(shot(JPEG[:90], whole=False))
    assert half == f"{NAME}-incomplete.jpg"
    assert names(pictures.folder) == sorted([f"{NAME}.jpg", other, half])
    assert (pictures.folder / half).read_bytes() == JPEG[:90]
    assert (pictures.taken, pictures.as_status()["bytes"]) == (3, 2 * len(JPEG) + 90)
    (pictures.folder / half).unlink()  # a person has taken it away; the station says it again
    assert pictures.keep(shot(JPEG[:90], whole=False)) == half
    assert pictures.as_status()["bytes"] == 2 * len(JPEG) + 90


def test_the_oldest_go_by_number_by_bytes_and_by_age_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"of somebody else")
    by_number = Pictures(tmp_path, files=3)
    for at in range(5):
        by_number.keep(shot(at_s=at))
    kept = [f"cam-1-20260630T21000{at}Z.jpg" for at in (2, 3, 4)]
    assert names(tmp_path) == [*kept, "holiday.jpg"]
    assert by_number.let_go == 2
    # The next run finds them, in the order in which they came, and deletes what a crash has left half written.
    os.utime(tmp_path / kept[2], (time.time() - 90, time.time() - 90))
    (tmp_path / f"{NAME}.jpg.new").write_bytes(b"half")
    by_bytes = Pictures(tmp_path, limit_bytes=3 * len(JPEG), life_s=1_000)
    assert names(tmp_path) == [*kept, "holiday.jpg"]
    by_bytes.keep(shot(at_s=9))
    assert names(tmp_path) == [*kept[:2], "cam-1-20260630T210009Z.jpg", "holiday.jpg"]
    os.utime(tmp_path / kept[0], (time.time() - 900, time.time() - 900))
    by_age = Pictures(tmp_path, life_s=1_000)
    by_age.tidy()
    assert by_age.let_go == 0  # the control
    by_age = Pictures(tmp_path, life_s=800)
    by_age.tidy()
    assert names(tmp_path) == [kept[1], "cam-1-20260630T210009Z.jpg", "holiday.jpg"]


def test_a_picture_that_finds_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path)
    pictures.keep(shot())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))  # as a disk that is full within it
    try:
        with pytest.raises(OSError, match="File too large"):
            pictures.keep(shot(at_s=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == [f"{NAME}.jpg"]
    assert pictures.keep(shot(at_s=1))  # the control
    assert (len(names(tmp_path)), pictures.taken) == (2, 2)


def test_a_station_is_confirmed_when_its_picture_is_kept_and_also_when_it_cannot_be(tmp_path: Path) -> None:
    agent = Agent(tmp_path / "journal", NOBODY, "water", "gw-1")
    pictures = Pictures(tmp_path / "kept")
    told: list[str] = []
    watch = Watch(lambda _, note: told.append(note.code), pictures=pictures)
    listener = Listener("sl651", agent.accept, lambda: Sl651({RTU: "cam-1"}), watch=watch)
    listener.start()
    try:
        with socket.create_connection(("127.0.0.1", listener.port), timeout=30) as station:
            station.sendall(hexframe(report("F3F3") + JPEG, func=0x36))
            assert station.recv(1_000)[10] == 0x36
            assert (tmp_path / "kept" / f"{NAME}.jpg").read_bytes() == JPEG
            assert told == ["picture"]
            (tmp_path / "kept" / f"{NAME}.jpg").unlink()
            (tmp_path / "kept").rmdir()
            (tmp_path / "kept").write_bytes(b"a file where the folder should be")
            station.sendall(hexframe(report("F3F3", serial=10) + JPEG, func=0x36))
            assert station.recv(1_000)[10] == 0x36
    finally:
        listener.close()
        agent.close()
    assert told[1:] == ["picture", "picture-not-kept"]
    assert listener.total.notes["picture-not-kept"] == 1
    assert OBSERVED == "2607010500"


def test_a_folder_that_cannot_be_read_is_told_before_anything_runs(tmp_path: Path) -> None:
    """Here its name is too long for any disk."""
    text = f"""[gateway]\nid = "gw-1"\ndepartment = "water"\nbroker = "mqtt://127.0.0.1:1"\nhome = "{tmp_path}"
[pictures]\nfolder = "{"x" * 300}"\n[[driver]]\nkind = "sl651"\nlisten = "127.0.0.1:0"\n"""
    with pytest.raises(OperatorError, match=r"cannot be read: File name too long") as told:
        Outpost(parse(text, tmp_path / "gateway.toml"), {CREDENTIAL: "secret"})
    assert "pictures.folder" in told.value.hint
    assert names(tmp_path) == []
