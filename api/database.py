"""The pool of connections, each with its limits set before anyone may use it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar, cast

import psycopg
from fastapi import Depends, Request
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Connections = AsyncConnectionPool[AsyncConnection[DictRow]]

# A dead peer is found within half a minute instead of after the kernel's two hours.
CONNECT: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "cityhub-api",
    # An alarm takes nine tables: beyond eight the planner joins in the written order, which for one transition
    # means every alarm and its trend first (measured: 950 ms against 32 ms).
    "options": "-c join_collapse_limit=14 -c from_collapse_limit=14",
}


async def _limit(connection: AsyncConnection[DictRow]) -> None:
    await connection.execute("set statement_timeout = '10s'")
    await connection.execute("set lock_timeout = '5s'")
    await connection.execute("set idle_in_transaction_session_timeout = '30s'")
    await connection.execute("set timezone = 'UTC'")
    # Filters that were not asked for fold away only when the plan knows the values.
    await connection.execute("set plan_cache_mode = 'force_custom_plan'")


def pool_of(database_url: str) -> Connections:
    """Make the pool, still closed.

    Connections commit each statement by themselves, which saves two round trips a read; whoever
    changes more than one row opens a transaction.
    """
    return AsyncConnectionPool(
        database_url,
        kwargs={**CONNECT, "autocommit": True, "row_factory": dict_row},
        connection_class=AsyncConnection[DictRow],
        min_size=1,
        max_size=10,
        timeout=5,
        max_waiting=200,
        # The pause between attempts doubles; giving up early means that after an outage the next
        # request begins anew instead of waiting for minutes.
        reconnect_timeout=8,
        configure=_limit,
        # After a restart of the database every pooled connection is dead; without the check each
        # of them would cost one request a 503.
        check=AsyncConnectionPool.check_connection,
        open=False,
        name="api",
    )


def _pool(request: Request) -> Connections:
    pool: Connections = request.app.state.pool
    return pool


Pool = Annotated[Connections, Depends(_pool)]


T = TypeVar("T")
PLAIN_TIMEOUT = "120s"
_ASIDE = ThreadPoolExecutor(2, thread_name_prefix="aside")


async def aside(pool: Connections, work: Callable[[psycopg.Connection[Any]], T]) -> T:
    """Do work of the other parts, which know no asyncio, on a plain connection in a thread; two at once, in one transaction."""

    def done() -> T:
        with psycopg.connect(
            cast("str", pool.conninfo), connect_timeout=5, application_name="cityhub-api-aside"
        ) as connection:
            connection.execute(f"set local statement_timeout = '{PLAIN_TIMEOUT}'")
            return work(connection)

    return await asyncio.get_running_loop().run_in_executor(_ASIDE, done)
