"""The notifier: brings what the outbox holds to one channel, in order, at least once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from psycopg.rows import class_row

log = structlog.get_logger("alerts.notifier")

POLL_S = 1.0
PAUSE_S = (1.0, 60.0)


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to send. `id` stays the same when it is sent again: receivers drop what they have."""

    id: int
    body: dict[str, Any]


class Undelivered(Exception):
    """The channel did not take a notice; `retry` says whether it may later."""

    def __init__(self, message: str, *, retry: bool = True) -> None:
        super().__init__(message)
        self.retry = retry


Deliver = Callable[[Notice], None]


class Notifier:
    """One channel's thread, so that a slow channel delays no other.

    Notices go out in the order in which they were written: while one cannot be delivered the ones behind it wait,
    because the receiver is the same. After a day it is given up, and stays in the table as dead.
    """

    def __init__(self, database_url: str, channel: str, deliver: Deliver) -> None:
        self._url, self._channel, self._deliver = database_url, channel, deliver
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"notifier {channel}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    def close(self) -> None:
        """Finish the notice in hand and stop."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        pause = PAUSE_S[0]
        while not self._stopping.is_set():
            self._wake.wait(POLL_S)
            self._wake.clear()
            try:
                with psycopg.connect(
                    self._url, autocommit=True, application_name=f"cityhub {self._channel}"
                ) as connection:
                    while not self._stopping.is_set():
                        if self._send_next(connection):
                            pause = PAUSE_S[0]
                            continue
                        self._wake.wait(POLL_S)
                        self._wake.clear()
            except Undelivered as error:
                log.warning(
                    "notice waits", channel=self._channel, reason=str(error), again_in_s=round(pause, 1)
                )
            except psycopg.Error as error:
                log.warning(
                    "outbox not readable",
                    channel=self._channel,
                    reason=str(error).strip(),
                    again_in_s=round(pause, 1),
                )
            except Exception:
                # A channel's bug must not end its thread unseen: say it, and try again.
                log.exception("channel failed", channel=self._channel)
            self._stopping.wait(pause * random.uniform(0.5, 1))  # noqa: S311 -- jitter, no secret
            pause = min(2 * pause, PAUSE_S[1])

    def _send_next(self, connection: psycopg.Connection) -> bool:
        """Send the oldest waiting notice; False when there is none. Raises Undelivered when it must wait."""
        undelivered: Undelivered | None = None
        with connection.transaction(), connection.cursor(row_factory=class_row(Notice)) as cursor:
            cursor.execute(
                """select id, body from outbox
                   where channel = %s and sent_at is null and dead_at is null
                   order by id limit 1 for update skip locked""",
                (self._channel,),
            )
            found = cursor.fetchone()
            if found is None:
                return False
            try:
                self._deliver(found)
                cursor.execute(
                    "update outbox set sent_at = now(), attempts = attempts + 1 where id = %s", (found.id,)
                )
            except Undelivered as error:
                undelivered = error
                cursor.execute(
                    """update outbox set attempts = attempts + 1, last_error = %s,
                          dead_at = case when %s or created_at < now() - interval '1 day' then now() end
                       where id = %s""",
                    (str(error)[:500], not error.retry, found.id),
                )
        if undelivered is not None:
            if not undelivered.retry:
                log.error("notice given up", channel=self._channel, notice=found.id, reason=str(undelivered))
                return True
            raise undelivered
        return True
