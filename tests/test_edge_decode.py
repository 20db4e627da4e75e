"""`cityhub decode` for the protocols of the field: however a frame is written down, and the same shape for all of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from fix_sl651 import hexframe, report

from cityhub.commands.decode import decode
from cityhub.settings import OperatorError
from edge.capture import Capture

FRAMES = {
    "sl651": hexframe(report()),
    "hj212": b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80",
    "sl427": bytes.fromhex("681A68B35303810D00C00059000000826110000001106000004508090A3516"),
    "modbus": bytes.fromhex("01030400060005DA31"),
    "sdi12": b"0+3.14OqZ",
}


def decoded(form: str, payload: str, printed: pytest.CaptureFixture[bytes]) -> list[dict[str, Any]]:
    """What is printed; raises OperatorError, or Exit where nothing was understood."""
    try:
        decode(form, payload)
    finally:
        lines = printed.readouterr().out.splitlines()
    return [orjson.loads(line) for line in lines]


@pytest.mark.parametrize("form", FRAMES)
def test_a_frame_is_the_same_however_it_is_written_down(
    form: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = FRAMES[form]
    digits = frame.hex()
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    (told,) = decoded(form, digits, capfdbinary)
    assert told["understood"]
    for field in told["understood"]:
        assert [*field][:5] == ["name", "raw", "value", "unit", "meaning"]
    check = next(field for field in told["understood"] if field["name"] in {"crc", "CRC", "CS", "check"})
    assert check["meaning"].endswith("right")
    written = [
        digits.upper(), " ".join(pairs), "\n".join(pairs), f"0x{digits}", " ".join(f"0x{each}" for each in pairs),
        ", ".join(f"0x{each}" for each in pairs), ":".join(pairs), "-".join(pairs), "".join(f"\\x{each}" for each in pairs),
    ]  # fmt: skip
    for text in written:
        assert decoded(form, text, capfdbinary) == [told], text
    file = tmp_path / "frame.bin"
    for content in (frame, *(text.encode() for text in written[:3])):
        file.write_bytes(content)
        assert decoded(form, str(file), capfdbinary) == [told]
    standard = io.TextIOWrapper(io.BytesIO(frame))
    monkeypatch.setattr("sys.stdin", standard)
    assert decoded(form, "-", capfdbinary) == [told]
    taken = Capture(tmp_path / "wire.cap")
    for stretch in (frame[:5], frame[5:]):
        taken.write(0, "line-1", "<", stretch)
    taken.close()
    (heard,) = decoded(form, str(taken.path), capfdbinary)
    assert heard == {"link": "line-1", "direction": "from the field", **told, **_said(told)}


def _said(told: dict[str, Any]) -> dict[str, Any]:
    """A protocol that knows its own direction says it."""
    return {key: told[key] for key in ("direction",) if key in told}


@pytest.mark.parametrize("form", FRAMES)
def test_what_is_no_frame_is_told_in_one_shape_with_its_bytes(
    form: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for payload in ("hello world", FRAMES[form][:-4].hex()):
        try:
            documents = decoded(form, payload, capfdbinary)
        except typer.Exit as ended:
            assert ended.exit_code == 1  # noqa: PT017
            continue
        assert form == "sdi12"  # of which a shorter answer is an answer
        assert documents[0]["understood"]


@pytest.mark.parametrize("form", FRAMES)
@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ("", "nothing to decode"),
        ("./there-is-none", "there is no file"),
        ("frame.hex", "there is no file frame.hex"),
    ],
)
def test_a_slip_of_the_operator_is_named(form: str, payload: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        decode(form, payload)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (FRAMES["sl651"].hex()[:-1], "no whole number of bytes"),
        (FRAMES["sl651"].hex().replace("0", "O", 1), "'O' is none"),
    ],
)
def test_digits_with_a_slip_in_them_are_no_text(payload: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        decode("sl651", payload)


@pytest.mark.parametrize("form", ["chirpstack", "frigate", "onvif", "thingsboard", "telemetry", "senml"])
def test_what_is_cut_or_typed_by_mistake_is_said_to_be_no_json(
    form: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for payload in ('{"values": {"level"', "hello world"):
        with pytest.raises(typer.Exit):
            decode(form, payload)
        (told,) = [orjson.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
        assert "JSON" in told["not_understood"][0]
