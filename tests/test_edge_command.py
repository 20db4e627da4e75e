"""Commands: what the hub has signed is obeyed once; anything else is refused, and by name."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import orjson
import pytest

pytest.importorskip("nacl", reason="pynacl is not installed: it comes with the extra edge")

from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from edge.command import NONCES, PREFIX, CommandRefused, Guard, sealed

KEY = SigningKey(bytes(range(32)))
NOW = 1_790_000_000_000


def signed(key: SigningKey = KEY, prefix: bytes = PREFIX, **changed: Any) -> bytes:
    """A command as a hub would make it, by hand and not by its code."""
    command = orjson.dumps(
        {
            "id": "c1", "nonce": secrets.token_hex(8), "device": "gw-1", "issued": NOW - 1_000,
            "expires": NOW + 60_000, "action": "ping", "arguments": {}, **changed,
        }
    )  # fmt: skip
    return sealed(command, key.sign(prefix + command).signature)


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    return Guard("gw-1", bytes(KEY.verify_key), tmp_path / "commands.json")


def refused(guard: Guard, payload: bytes, now: int = NOW) -> str:
    with pytest.raises(CommandRefused) as refusal:
        guard.open(payload, now)
    return refusal.value.code


def test_a_signed_command_is_obeyed_once(guard: Guard) -> None:
    payload = signed(action="capture", arguments={"state": "on"})
    order = guard.open(payload, NOW)
    assert (order.action, order.arguments) == ("capture", {"state": "on"})
    assert refused(guard, payload) == "replayed"


def test_a_replay_is_found_after_a_restart_and_long_after(guard: Guard, tmp_path: Path) -> None:
    payload = signed()
    guard.open(payload, NOW)
    again = Guard("gw-1", bytes(KEY.verify_key), tmp_path / "commands.json")
    assert refused(again, payload) == "replayed"
    # Days later the nonce itself is forgotten; a clock that is set back must not bring the command to life again.
    later = NOW + 5 * 86_400_000
    again.open(signed(issued=later, expires=later + 1_000), later)
    assert refused(again, payload, NOW) == "replayed"
    assert len(orjson.loads((tmp_path / "commands.json").read_bytes())["seen"]) == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"expires": NOW}, "expired"),
        ({"expires": NOW - 1, "issued": NOW - 2}, "expired"),
        ({"issued": NOW + 120_000, "expires": NOW + 180_000}, "not-yet"),
        ({"expires": NOW + 3_600_000}, "too-long-lived"),
        ({"expires": NOW - 5_000}, "too-long-lived"),  # before it was issued
        ({"device": "gw-2"}, "wrong-device"),
        ({"device": None}, "malformed"),
        ({"nonce": ""}, "malformed"),
        ({"nonce": "n" * 65}, "malformed"),
        ({"issued": "now"}, "malformed"),
        ({"expires": True}, "malformed"),
        ({"arguments": []}, "malformed"),
        ({"more": 1}, "malformed"),
    ],
)
def test_what_is_signed_and_wrong_is_refused_by_name(
    guard: Guard, changed: dict[str, Any], code: str
) -> None:
    assert refused(guard, signed(**changed)) == code


def test_what_another_key_or_another_purpose_has_signed_is_refused(guard: Guard) -> None:
    assert refused(guard, signed(SigningKey(bytes(32)))) == "wrong-signature"
    assert refused(guard, signed(prefix=b"")) == "wrong-signature"
    envelope = orjson.loads(signed())
    other = orjson.loads(signed(action="capture"))
    assert refused(guard, orjson.dumps({**envelope, "command": other["command"]})) == "wrong-signature"
    assert refused(guard, orjson.dumps({**envelope, "signature": "AAAA"})) == "wrong-signature"


def test_a_command_that_cannot_be_remembered_is_not_obeyed(guard: Guard, tmp_path: Path) -> None:
    (tmp_path / "commands.json.new").mkdir()  # in the way of the file
    with pytest.raises(OSError, match="directory"):
        guard.open(signed(), NOW)
    (tmp_path / "commands.json.new").rmdir()
    assert guard.open(signed(), NOW)


def test_the_memory_is_bounded_and_what_is_beyond_is_refused(guard: Guard) -> None:
    guard._seen = {str(number): NOW + 60_000 for number in range(NONCES)}
    assert refused(guard, signed()) == "too-many"


@given(st.binary(max_size=200) | st.dictionaries(st.text(), st.text() | st.none()).map(orjson.dumps))
def test_no_payload_does_more_than_be_refused(payload: bytes) -> None:
    guard = Guard("gw-1", bytes(KEY.verify_key), Path("/nonexistent/commands.json"))
    assert refused(guard, payload) == "malformed"
