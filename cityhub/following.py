"""Following: positions through the hub, from the message to the fences; its parts wired, kept tidy and taken up as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg
from numpy.typing import NDArray

from alerts.days import Days
from cityhub.fencing import PREFIX, Fencing
from cityhub.redrawing import Redrawing
from edge.reading import now_us
from geo.datum import to_wgs84
from geo.tokens import Tokens, fresh_salt
from ingest import fix_rows, salt, tracks
from ingest.batch import Batch
from ingest.clock import Clocks
from ingest.fix_judge import FixJudge
from ingest.fixes import Fixes, Places
from ingest.identity import Identity
from ingest.registry import Registry
from ingest.session import Session
from ingest.tracks import Spans, Tracks


class Following:
    """Everything between a position message and its crossings that remembers something."""

    def __init__(
        self,
        database_url: str,
        registry: Registry,
        clocks: Clocks,
        session: Session,
        days: Days,
        drain: Callable[[], object],
    ) -> None:
        """`drain` waits until what was handed to the writer is committed."""
        self._url = database_url
        self._session, self._drain = session, drain
        offset = datetime.now(days.zone).utcoffset() or timedelta()
        self._tokens = Tokens(round(offset.total_seconds()), self._salt_of)
        self._tracks = Tracks(lambda wanted: session.run(lambda connection: tracks.meet(connection, wanted)))
        self._spans = Spans()
        self.fencing = Fencing()
        self._redrawing: Redrawing | None = None
        self.identity = Identity(registry, self._tokens.token, to_wgs84)
        self.judge = FixJudge(self._tracks, clocks, self._ask)

    def read(self) -> None:
        """Read the zones; at a start, before anything is followed."""
        self._session.run(self.fencing.refresh)

    def start(self) -> None:
        """Read them from now on beside the main thread."""
        self._redrawing = Redrawing(self._url, self.fencing.drawn)
        self._redrawing.start()

    def close(self) -> None:
        """End the reading."""
        if self._redrawing is not None:
            self._redrawing.close()

    def look_again(self) -> None:
        """The registry or the zones have changed."""
        if self._redrawing is not None:
            self._redrawing.look_again()

    def redraw(self) -> None:
        """Take the zones that have been read meanwhile; between two batches."""
        if self._redrawing is not None and (drawn := self._redrawing.fresh()) is not None:
            self.fencing.take(drawn)

    @property
    def unread(self) -> int:
        """How often zones could not be read, and were tried again."""
        return self._redrawing.failed if self._redrawing else 0

    @property
    def behind(self) -> bool:
        """Whether something waits to be written and it is time."""
        return self._spans.behind

    def write(self, cursor: psycopg.Cursor, batch: Batch) -> None:
        """Write what belongs to the fixes of a batch in its transaction; in the writer's thread."""
        self._spans.write(cursor, batch)
        self.fencing.write(cursor, batch)

    def committed(self, batch: Batch) -> None:
        """After the commit, in the writer's thread."""
        self._spans.committed(batch)

    def saved(self) -> dict[str, NDArray[Any]]:
        """What is remembered, by name, once the silent are forgotten and the salt of yesterday is gone."""
        now = now_us()
        self._tracks.tidy(now)
        self.fencing.tidy(now)
        self._session.run(lambda connection: salt.forget(connection, self._tokens.oldest(now)))
        return self.fencing.saved()

    def take_up(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Begin where a checkpoint ended, and take in what was stored after it."""
        # What the fences could not take up, of another version, is read again from the table.
        known = saved.get(f"{PREFIX}tracks") if self.fencing.take_up(saved) else None
        track = [] if known is None else known["track"].tolist()
        newest = [] if known is None else known["kept"]["time"].tolist()
        fixes, device = self._session.run(
            lambda connection: fix_rows.stored_since(connection, f"{PREFIX}tracks", track, newest)
        )
        if len(fixes):
            self.fencing.replay(fixes, device)

    def _ask(self, fixes: Fixes) -> Places:
        # What is being written now is not in the table yet: wait for it before asking.
        self._drain()
        return self._session.run(lambda connection: fix_rows.known(connection, fixes))

    def _salt_of(self, day: int) -> bytes:
        fresh = fresh_salt()
        return self._session.run(lambda connection: salt.of_day(connection, day, fresh))
