"""The one listening connection: every alarm transition, in the order of commits, to every subscriber."""

import asyncio
import random
import re
import traceback
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from alerts.acknowledge import CHANNEL
from api.alarms import COLUMNS, TABLES, Alarm, Transition
from api.database import CONNECT, Connections
from api.problems import Problem
from api.subscriber import Subscriber, event

log = structlog.get_logger(__name__)

# Ids are given out before they are committed, so a higher one may be seen first. What a
# reconnect reads again therefore begins this far below the highest id seen.
OVERLAP = 1000
KEPT = 4 * OVERLAP
AT_ONCE = 200
REPLAYED = 1000
QUIET_S = 10.0
NUMBER = re.compile(r"[0-9]{1,18}")
SUBSCRIBERS = 256
OWN = 32
"""Streams of one account: a wall, some desks, and no one program that takes them all."""


class Feed:
    """Fans transitions out. Lives on the event loop; `run` is its one task."""

    def __init__(self, database_url: str, pool: Connections) -> None:
        self.subscribers: set[Subscriber] = set()
        self.connected = asyncio.Event()
        self.reconnects = 0
        self.sent = 0
        self._url = database_url
        self._pool = pool
        # Ids in the order of their commits, as far as this process saw it.
        self._past: dict[int, None] = {}
        self._begun = False
        self._closed = False

    @property
    def newest(self) -> int | None:
        """The transition that was handed out last."""
        return next(reversed(self._past), None)

    def join(self, reach: int | None, account: int) -> Subscriber:
        """Begin to queue events for one more client."""
        own = sum(each.account == account for each in self.subscribers)
        if self._closed or len(self.subscribers) >= SUBSCRIBERS or own >= OWN:
            raise Problem(503, "No more live streams can be opened.", headers={"Retry-After": "5"})
        subscriber = Subscriber(reach, account)
        self.subscribers.add(subscriber)
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """Stop queueing for a client that is gone."""
        self.subscribers.discard(subscriber)

    def close(self) -> None:
        """End every stream, and take no more: the server is going down."""
        self._closed = True
        for subscriber in self.subscribers:
            subscriber.close()

    async def run(self) -> None:
        """Listen for ever; whatever fails is logged, and tried again after a pause that grows."""
        pause = 0.2
        while True:
            try:
                async with await AsyncConnection.connect(
                    self._url, autocommit=True, row_factory=tuple_row, **CONNECT
                ) as connection:
                    await connection.execute(f"listen {CHANNEL}")
                    await self._catch_up()
                    pause = 0.2
                    self.connected.set()
                    await self._listen(connection)
            except Exception as error:  # noqa: BLE001 -- whatever it was, the stream must come back
                expected = isinstance(error, psycopg.OperationalError | TimeoutError)
                log.warning(
                    "the alarm feed lost its connection",
                    error=type(error).__name__,
                    pause_s=round(pause, 2),
                    traceback=None if expected else "".join(traceback.format_exception(error)),
                )
            finally:
                self.connected.clear()
            self.reconnects += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 -- jitter, no secret
            pause = min(pause * 2, 10.0)

    async def _listen(self, connection: AsyncConnection[Any]) -> None:
        while True:
            # What comes in one packet comes out as one batch.
            heard = [each async for each in connection.notifies(timeout=QUIET_S, stop_after=1)]
            numbers = [int(each.payload) for each in heard if NUMBER.fullmatch(each.payload)]
            if len(numbers) < len(heard):
                log.warning("a notification that names no transition", channel=CHANNEL)
            if heard:
                await self._hand_out(list(dict.fromkeys(numbers)))
            else:
                # Silence may be peace or a connection that died without a word.
                async with asyncio.timeout(5):
                    await connection.execute("select 1")

    async def _catch_up(self) -> None:
        """Hand out what was committed while nobody listened; at the first start, only remember it."""
        async with self._pool.connection() as connection:
            if not self._begun:
                found = await connection.execute(
                    "select id from alarm_transition order by id desc limit %s", (OVERLAP,)
                )
                numbers = [row["id"] for row in await found.fetchall()]
                self._past = dict.fromkeys(reversed(numbers))
                self._begun = True
                return
            found = await connection.execute(
                "select id from alarm_transition where id > %s order by id limit 100000",
                (max(self._past, default=0) - OVERLAP,),
            )
            numbers = [row["id"] for row in await found.fetchall()]
        await self._hand_out([each for each in numbers if each not in self._past])

    async def _hand_out(self, numbers: list[int]) -> None:
        for start in range(0, len(numbers), AT_ONCE):
            some = [each for each in numbers[start : start + AT_ONCE] if each not in self._past]
            written = await self._written(some) if self.subscribers else []
            for number, department, text in written:
                for subscriber in tuple(self.subscribers):
                    if subscriber.reach in (None, department):
                        subscriber.offer(number, text)
            self.sent += len(written)
            self._past.update(dict.fromkeys(some))
        while len(self._past) > KEPT:
            del self._past[next(iter(self._past))]

    async def missed(self, after: int, reach: int | None) -> tuple[list[tuple[int, bytes]], bool]:
        """Give what followed a transition, within reach, and whether that is all of it."""
        if after in self._past:
            order = list(self._past)
            numbers = order[order.index(after) + 1 :]
        else:
            async with self._pool.connection() as connection:
                found = await connection.execute(
                    "select id from alarm_transition where id > %s order by id desc limit %s",
                    (after, REPLAYED + 1),
                )
                numbers = [row["id"] for row in await found.fetchall()][::-1]
        complete = len(numbers) <= REPLAYED
        events: list[tuple[int, bytes]] = []
        numbers = numbers[-REPLAYED:]
        for start in range(0, len(numbers), AT_ONCE):
            for number, department, text in await self._written(numbers[start : start + AT_ONCE]):
                if reach in (None, department):
                    events.append((number, text))
        return events, complete

    async def _written(self, numbers: list[int]) -> list[tuple[int, int, bytes]]:
        """Read transitions with their alarms and write each as an event, with its department."""
        async with self._pool.connection() as connection:
            found = await connection.execute(
                f"""
                select t.id as number, d.department_id, t.kind, t.from_level, t.to_level, t.at, t.recorded_at,
                       t.value as step_value, t.reading_time, v.sha256 as rule_sha256, t.actor, t.comment,
                       t.reason as step_reason, t.because as step_because,
                       {COLUMNS}
                from {TABLES}
                join alarm_transition t on t.alarm_id = a.id
                left join rule_version v on v.id = t.rule_version_id
                where t.id = any(%s)
                """,  # noqa: S608 -- every part is a constant of ours
                (numbers,),
            )
            rows = {row["number"]: row for row in await found.fetchall()}
        # Without a row there was a notification, and its transition is no more.
        return [
            (number, rows[number]["department_id"], text)
            for number in numbers
            if number in rows and (text := _text(rows[number])) is not None
        ]


def _text(row: dict[str, Any]) -> bytes | None:
    try:
        step = Transition(
            **{
                **row,
                "id": str(row["number"]),
                "value": row["step_value"],
                "reason": row["step_reason"],
                "because": row["step_because"],
            }
        )
        alarm = Alarm(**row)
    except ValueError as error:
        # One row that we cannot read must not keep all the others from being told.
        log.error("an alarm that cannot be told", transition=row["number"], error=str(error))  # noqa: TRY400
        return None
    data = {**alarm.model_dump(mode="json"), "transition": step.model_dump(mode="json")}
    return event("alarm", data, row["number"])
