"""Identity: whose place a fix is. A device says its own by its name; everybody else is a token of the day, from here on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import psycopg
import structlog
from numpy.typing import NDArray

from edge.positions import refusal
from edge.wire import Envelope, Malformed
from ingest import position
from ingest.batch import CALENDAR_FROM_US, CALENDAR_TO_US, Archived, Batch, bury
from ingest.fixes import FIX, Fixes
from ingest.message import POSITION, TOPIC, Message
from ingest.position import NOT_KEPT
from ingest.registry import Device, Registry
from ingest.session import Stopped

log = structlog.get_logger("ingest.identity")

Token = Callable[[str, str, int, int], int | None]
"""The token of a track: its source, what the source calls it, the time of the fix and ours (us); None: its day is over."""
Convert = Callable[[Any, NDArray[np.float64], NDArray[np.float64]], tuple[Any, Any]]
"""Columns of degrees in a named datum as WGS 84."""

MARK = "~"
"""Begins the name of a token; no key of a device does."""
OVER = MARK
"""The name of a track whose day is over, or has not begun."""
WORST_M = 1e9
HALF_ROUND, POLE = 180.0, 90.0


class Heard(NamedTuple):
    """The sound fixes of one message: `fixes["track"]` counts into `whose`, pairs of a device's id and a track's name."""

    whose: list[tuple[int, str]]
    fixes: Fixes


class Identity:
    """Takes the names out of messages when they come, and reads what is left. Never raises but Malformed."""

    def __init__(self, registry: Registry, token: Token, convert: Convert) -> None:
        self._registry, self._token, self._convert = registry, token, convert

    def discreet(self, messages: list[Message]) -> list[Message]:
        """Messages as they may be stored: from here on nobody sees what a source calls whom it sees."""
        return [
            message._replace(payload=self._kept(message)) if _tells_a_place(message.topic) else message
            for message in messages
        ]

    def read(self, batch: Batch, message: Message, sender: Device) -> tuple[Heard | None, Envelope | None]:
        """The sound fixes of a message that `discreet` has passed; the others become dead letters. Raises Malformed."""
        found = position.read(message.payload, message.arrived_us, kept=True)
        if found.bad:
            self._bury(
                batch, message, sender, "malformed", "; ".join(dict.fromkeys(found.bad)), len(found.bad)
            )
        said = found.said
        whose = [self._of(sender, name) for name in said.names]
        fixes = np.zeros(len(said.track), FIX)
        fixes["time"], fixes["track"], fixes["lon"], fixes["lat"] = said.time, said.track, said.lon, said.lat
        told = np.where(said.accuracy >= 0, np.minimum(said.accuracy, WORST_M), np.nan)
        fixes["accuracy"] = told
        fixes["named"] = np.array([one is not None and not one[1].startswith(MARK) for one in whose], np.bool_)[
            said.track
        ] if whose else False  # fmt: skip
        fixes = self._sound(batch, message, sender, whose, fixes)
        if not len(fixes):
            return None, found.envelope
        self._to_wgs84([one or (0, "") for one in whose], fixes)
        first, last = np.clip(
            [fixes["time"].min(), fixes["time"].max()], CALENDAR_FROM_US, CALENDAR_TO_US
        ).tolist()
        batch.archive.append(Archived(message, sender.id, first, last, len(fixes), f"{found.form}/1"))
        return Heard([one or (0, "") for one in whose], fixes), found.envelope

    def _sound(
        self,
        batch: Batch,
        message: Message,
        sender: Device,
        whose: list[tuple[int, str] | None],
        fixes: Fixes,
    ) -> Fixes:
        """Without the fixes of nobody, of a day that is over, and off the earth."""
        stranger = np.array([one is None for one in whose], np.bool_)[fixes["track"]]
        over = np.array([one is not None and one[1] == OVER for one in whose], np.bool_)[fixes["track"]]
        there = (np.abs(fixes["lon"]) <= HALF_ROUND) & (np.abs(fixes["lat"]) <= POLE)
        nowhere = ~there & ~stranger & ~over
        if stranger.any():
            why = f"it names a device that is not registered behind {sender.key}"
            self._bury(batch, message, sender, "not-its-gateway", why, int(stranger.sum()))
        if over.any():
            why = "the day of these fixes is over or has not begun: their tracks can have no token; check the clock"
            batch.ledger.count(sender.id, received=int(over.sum()), quarantined=int(over.sum()))
            bury(batch, message, sender.id, "token-over", why, int(over.sum()))
        if nowhere.any():
            one = fixes[nowhere][0]
            why = f"[{one['lon']:g}, {one['lat']:g}] is no place on the earth; longitude and latitude are in degrees"
            self._bury(batch, message, sender, "no-place", why, int(nowhere.sum()))
        bad = stranger | over | nowhere
        return fixes[~bad] if bad.any() else fixes

    @staticmethod
    def _bury(batch: Batch, message: Message, sender: Device, reason: str, why: str, count: int) -> None:
        bury(batch, message, sender.id, reason, why, count)
        batch.ledger.count(sender.id, received=count, rejected=count)

    def _to_wgs84(self, whose: list[tuple[int, str]], fixes: Fixes) -> None:
        """Bring the fixes of devices that are registered in another datum to ours."""
        datums = [self._registry.datum.get(device_id, "") for device_id, _ in whose]
        for datum in set(datums) - {""}:
            of = np.array([each == datum for each in datums], np.bool_)[fixes["track"]]
            fixes["lon"][of], fixes["lat"][of] = self._convert(datum, fixes["lon"][of], fixes["lat"][of])

    def _kept(self, message: Message) -> bytes:
        """What of a message may be stored, all that `read` needs among it."""
        topic = TOPIC.fullmatch(message.topic)
        sender = self._registry.device(topic[2]) if topic else None
        mark = hashlib.blake2b(message.payload, digest_size=8).hexdigest()
        if topic is None or sender is None or sender.department != topic[1]:
            return f"{NOT_KEPT}a position from nobody who may tell it ({mark})".encode()
        try:
            found = position.read(message.payload, message.arrived_us)
            return position.discreet(
                found, message.payload, lambda name, at: self._called(sender, name, at, message.arrived_us)
            )
        except Malformed as error:
            why = f"{error} ({len(message.payload)} bytes, {mark})"
            return (NOT_KEPT + why).encode() if error.envelope is None else refusal(error.envelope, why)
        except (Stopped, psycopg.Error):
            raise  # the salt cannot be read: nothing is wrong with the message, which comes again
        except Exception as error:  # noqa: BLE001 -- a fault of ours costs this message, not the hub, which would meet it again for ever
            # Without its traceback: that may print what the message says.
            log.error(  # noqa: TRY400
                "the reader of positions fails, the message is a dead letter", error=type(error).__name__
            )
            return f"{NOT_KEPT}our own reader failed, {type(error).__name__} ({mark})".encode()

    def _called(self, sender: Device, name: str, at: int, now: int) -> str:
        """What a track is called from here on: as before where it is a device's own, else a token."""
        device, rest = self._whose(sender, name)
        if rest is None:
            return name
        token = self._token(device.key, rest, at, now)
        called = OVER if token is None else f"{MARK}{token:016x}"
        return called if device is sender else f"{device.key}/{called}"

    def _whose(self, sender: Device, name: str) -> tuple[Device, str | None]:
        """Whose place a name speaks of (None behind it), or who sees whom."""
        if name in ("", sender.key):
            return sender, None
        if (own := self._behind(sender, name)) is not None:
            return own, None
        key, slash, rest = name.partition("/")
        source = (sender if key == sender.key else self._behind(sender, key)) if slash else None
        return (sender, name) if source is None else (source, rest)

    def _behind(self, sender: Device, key: str) -> Device | None:
        # Not `registry.device`: whom a camera sees would have it look into the database each time.
        device = self._registry.devices.get(key)
        return device if device is not None and device.gateway_id == sender.id else None

    def _of(self, sender: Device, name: str) -> tuple[int, str] | None:
        """The device and the track that a name means which `_called` gave; None of one that is not there any more."""
        device, rest = self._whose(sender, name)
        if rest is None:
            return device.id, device.key
        return (device.id, rest) if rest.startswith(MARK) else None


def _tells_a_place(topic: str) -> bool:
    """Whether a topic is one of ours for positions; a platform may call its own as it likes."""
    return topic.endswith("/" + POSITION) and topic.startswith("city/v1/")
