"""Tokens for programs: scoped, expiring, shown once, kept as a hash."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from api.access import Scope, SignedIn, digest
from api.database import Pool
from api.paging import Cursor, Limit, Page, cursor, cut, place
from api.problems import CONFLICT, Problem
from api.values import INT4, Instant, Line
from governance import audit

router = APIRouter(tags=["session"])

AT_MOST = 50


class TokenWanted(BaseModel):
    """What a token is to be called and to be able to do."""

    name: Line
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=2)]
    days: Annotated[int, Field(ge=1, le=366)] = 30


class Token(BaseModel):
    """A token without its secret."""

    id: int
    name: str
    account: str
    scopes: list[Scope]
    created_at: Instant
    used_at: Instant | None
    expires_at: Instant


class TokenMade(BaseModel):
    """A token with its secret, this once."""

    token: str
    id: int
    name: str
    scopes: list[Scope]
    expires_at: Instant


@router.post("/api/v1/tokens", status_code=201, responses=CONFLICT)
async def make(wanted: TokenWanted, caller: SignedIn, pool: Pool) -> TokenMade:
    """Make a token for the own account; it can do no more than the account."""
    if caller.token is not None:
        # Otherwise a leaked token could renew itself for ever.
        raise Problem(403, "Tokens are made by a person who is signed in.", kind="scope")
    secret = "ch_" + secrets.token_urlsafe(32)
    scopes = sorted(set(wanted.scopes))
    async with pool.connection() as connection, connection.transaction(), connection.cursor() as rows:
        await rows.execute("select from account where id = %s for update", (caller.account_id,))
        await rows.execute(
            """
            select count(*) as n from token
            where account_id = %s and revoked_at is null and expires_at > now()
            """,
            (caller.account_id,),
        )
        live = await rows.fetchone()
        if live is not None and live["n"] >= AT_MOST:
            raise Problem(409, f"An account has at most {AT_MOST} tokens: revoke one first.", kind="too-many")
        await rows.execute(
            """
            insert into token (digest, name, account_id, scopes, expires_at)
            values (%s, %s, %s, %s, now() + make_interval(days => %s)) returning id, expires_at
            """,
            (digest(secret), wanted.name, caller.account_id, scopes, wanted.days),
        )
        row = await rows.fetchone()
        if row is None:
            raise RuntimeError("an insert that returned nothing")
        detail: dict[str, str | int | None] = {
            "name": wanted.name,
            "scopes": " ".join(scopes),
            "days": wanted.days,
        }
        await audit.record(rows, caller.name, "token.make", f"token:{row['id']}", "done", detail)
    return TokenMade(token=secret, name=wanted.name, scopes=scopes, **row)


# An administrator sees and revokes the tokens of everyone within reach, others their own.
_MINE = """
(t.account_id = %(account)s
 or %(administrator)s and (%(reach)s::integer is null or a.department_id = %(reach)s))
"""


@router.get("/api/v1/tokens")
async def tokens(caller: SignedIn, pool: Pool, limit: Limit = 100, start: Cursor = None) -> Page[Token]:
    """List tokens that still open something."""
    (after,) = place(start, int)
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select t.id, t.name, a.name as account, t.scopes, t.created_at, t.used_at, t.expires_at
            from token t join account a on a.id = t.account_id
            where {_MINE} and t.revoked_at is null and t.expires_at > now()
              and (%(after)s::bigint is null or t.id > %(after)s)
            order by t.id limit %(limit)s
            """,  # noqa: S608 -- every part is a constant of ours
            {
                "account": caller.account_id,
                "administrator": caller.role == "administrator",
                "reach": caller.reach,
                "after": after,
                "limit": limit + 1,
            },
        )
        rows, last = cut(await found.fetchall(), limit)
    return Page[Token](items=[Token(**row) for row in rows], next=cursor(last["id"]) if last else None)


@router.delete("/api/v1/tokens/{token}", status_code=204)
async def revoke(token: Annotated[int, Path(ge=1, le=INT4)], caller: SignedIn, pool: Pool) -> Response:
    """Revoke a token: at once and for good."""
    async with pool.connection() as connection, connection.transaction(), connection.cursor() as rows:
        await rows.execute(
            f"""
            update token t set revoked_at = now() from account a
            where a.id = t.account_id and t.id = %(token)s and t.revoked_at is null and {_MINE}
            returning t.id
            """,  # noqa: S608 -- every part is a constant of ours
            {
                "token": token,
                "account": caller.account_id,
                "administrator": caller.role == "administrator",
                "reach": caller.reach,
            },
        )
        if await rows.fetchone() is None:
            raise Problem(404, "There is no such token.")
        await audit.record(rows, caller.name, "token.revoke", f"token:{token}", "done")
    return Response(status_code=204)
