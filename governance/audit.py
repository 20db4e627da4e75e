"""Who did what, when: one row added for each deed, in the transaction of the deed itself."""

from collections.abc import Awaitable, Mapping
from typing import Any, Literal, overload

from psycopg import AsyncCursor, Cursor
from psycopg.types.json import Jsonb

Outcome = Literal["done", "denied"]

ADD = "insert into audit_entry (actor, action, object, outcome, detail) values (%s, %s, %s, %s, %s)"

ADD_ONCE = """
    insert into audit_entry (actor, action, object, outcome, detail)
    select %(actor)s, %(action)s, %(object)s, 'done', %(detail)s
    where not exists (select from audit_entry where actor = %(actor)s and action = %(action)s
                        and at >= date_trunc('minute', now()))"""


@overload
def record(
    cursor: Cursor[Any],
    actor: str,
    action: str,
    object_: str,
    outcome: Outcome,
    detail: Mapping[str, str | int | None] | None = None,
) -> None: ...


@overload
def record(
    cursor: AsyncCursor[Any],
    actor: str,
    action: str,
    object_: str,
    outcome: Outcome,
    detail: Mapping[str, str | int | None] | None = None,
) -> Awaitable[None]: ...


def record(
    cursor: Cursor[Any] | AsyncCursor[Any],
    actor: str,
    action: str,
    object_: str,
    outcome: Outcome,
    detail: Mapping[str, str | int | None] | None = None,
) -> Awaitable[None] | None:
    """Add one entry; await the answer where the cursor is an asynchronous one.

    The entry stands or falls with the cursor's transaction, so what was rolled back was never
    done, and what was done cannot be missing. Never put a secret, or what a stranger typed
    where a name belongs (people type their password there), into any argument.
    """
    entry = (actor, action, object_, outcome, Jsonb(dict(detail or {})))
    if isinstance(cursor, AsyncCursor):
        return _record(cursor, entry)
    cursor.execute(ADD, entry)
    return None


async def _record(cursor: AsyncCursor[Any], entry: tuple[str, str, str, Outcome, Jsonb]) -> None:
    await cursor.execute(ADD, entry)


async def record_once_a_minute(
    cursor: AsyncCursor[Any], actor: str, action: str, object_: str, detail: Mapping[str, str | int | None]
) -> None:
    """Add an entry for the first of a stream of like deeds in each minute of the clock; it stands for all of them.

    Deeds at the very same moment may each add one: none is without.
    """
    entry = {"actor": actor, "action": action, "object": object_, "detail": Jsonb(dict(detail))}
    await cursor.execute(ADD_ONCE, entry)
