"""Connections of the hub to its database: a link that has died is noticed within half a minute, from both ends."""

from __future__ import annotations

import psycopg

# Without these, TCP waits two hours before it asks whether the other end is still there.
IDLE_S, AGAIN_S, TIMES = 10, 5, 3
CONNECT_S = 10
PATIENCE_MS = (IDLE_S + AGAIN_S * TIMES) * 1000
END_OF_LAST_MS = 5_000


class Line:
    """One connection after the other, under one name; each clears away what the last one has left at the server."""

    def __init__(self, database_url: str, name: str) -> None:
        self._url, self._name = database_url, name
        self._last_pid = 0

    def open(self) -> psycopg.Connection:
        """Connect; raises psycopg.OperationalError."""
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            application_name=self._name,
            connect_timeout=CONNECT_S,
            keepalives_idle=IDLE_S,
            keepalives_interval=AGAIN_S,
            keepalives_count=TIMES,
            tcp_user_timeout=PATIENCE_MS,
        )
        try:
            connection.execute(
                """select set_config('tcp_keepalives_idle', %s, false),
                          set_config('tcp_keepalives_interval', %s, false),
                          set_config('tcp_keepalives_count', %s, false)""",
                (str(IDLE_S), str(AGAIN_S), str(TIMES)),
            )
            # Our last link is broken, but the server may not know: its transaction would hold its locks, and we would
            # wait for ourselves. Afterwards it has either committed or never will.
            connection.execute(
                """select pg_terminate_backend(pid, %s) from pg_stat_activity
                   where pid = %s and pid <> pg_backend_pid() and application_name = %s and usename = current_user""",
                (END_OF_LAST_MS, self._last_pid, self._name),
            )
        except BaseException:
            connection.close()
            raise
        self._last_pid = connection.info.backend_pid
        return connection
