"""Who is asking, how far they may see, and whether they may do this: denied unless shown."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from psycopg.rows import DictRow

from api.database import Connections, Pool
from api.problems import Problem
from governance import audit

log = structlog.get_logger(__name__)

Role = Literal["operator", "duty-officer", "engineer", "data-steward", "auditor", "administrator"]
Scope = Literal["read", "write"]

COOKIE = "cityhub_session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
READING = frozenset({"/api/v1/locate", "/api/v1/inside", "/api/v1/areas"})
"""Questions that are too long for an address: posted, and change nothing."""

session_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="Set by POST /api/v1/session.")
bearer_token = HTTPBearer(auto_error=False, description="A token from POST /api/v1/tokens.")

IDLE = "12 hours"


@dataclass(frozen=True)
class Caller:
    """An account that proved itself, by a session or by a token."""

    account_id: int
    name: str
    role: Role
    reach: int | None
    """The department it is held to, from the account and nowhere else; None is the whole city."""
    department: str | None
    scopes: frozenset[str]
    key: bytes
    """The digest of what it showed."""
    token: int | None
    """The id of its token; None where a person signed in."""


def digest(secret: str) -> bytes:
    """Hash a session's or token's secret: random and long, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


async def by_session(pool: Connections, key: bytes) -> Caller | None:
    """Find who holds a session that is neither over nor left alone too long."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """
            select a.id, a.name, a.role, a.department_id, p.key as department, null as token,
                   array['read', 'write'] as scopes, s.used_at < now() - interval '1 minute' as stale
            from session s
            join account a on a.id = s.account_id
            left join department p on p.id = a.department_id
            where s.digest = %(key)s and s.expires_at > now() and s.used_at > now() - %(idle)s::interval
            """,
            {"key": key, "idle": IDLE},
        )
        row = await cursor.fetchone()
        if row is not None and row["stale"]:
            await connection.execute("update session set used_at = now() where digest = %s", (key,))
    return _caller(row, key)


async def by_token(pool: Connections, key: bytes) -> Caller | None:
    """Find whose token this is, if it is neither revoked nor expired."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """
            select a.id, a.name, a.role, a.department_id, p.key as department, t.id as token, t.scopes,
                   coalesce(t.used_at < now() - interval '1 minute', true) as stale
            from token t
            join account a on a.id = t.account_id
            left join department p on p.id = a.department_id
            where t.digest = %s and t.expires_at > now() and t.revoked_at is null
            """,
            (key,),
        )
        row = await cursor.fetchone()
        if row is not None and row["stale"]:
            await connection.execute("update token set used_at = now() where digest = %s", (key,))
    return _caller(row, key)


def _caller(row: DictRow | None, key: bytes) -> Caller | None:
    if row is None:
        return None
    return Caller(
        account_id=row["id"],
        name=row["name"],
        role=row["role"],
        reach=row["department_id"],
        department=row["department"],
        scopes=frozenset(row["scopes"]),
        key=key,
        token=row["token"],
    )


async def still(pool: Connections, caller: Caller) -> bool:
    """Say whether a caller may still what it might: for streams, which outlive their request."""
    found = await (by_session if caller.token is None else by_token)(pool, caller.key)
    return found is not None and found.reach == caller.reach and "read" in found.scopes


def from_here(request: Request) -> bool | None:
    """Say whether a browser sent this from a page of ours; None where no browser said anything."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    if origin is None:
        return None
    # The scheme is not compared: behind a proxy that ends TLS, ours is not the browser's.
    try:
        return urlsplit(origin).netloc == request.headers.get("host", "")
    except ValueError:
        return False


async def signed_in(
    request: Request,
    pool: Pool,
    cookie: Annotated[str | None, Security(session_cookie)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(bearer_token)],
) -> Caller:
    """Let a request through only for an account, within its scopes, from our own pages."""
    caller = None
    if "authorization" in request.headers:
        if bearer is not None:
            caller = await by_token(pool, digest(bearer.credentials))
    elif cookie:
        caller = await by_session(pool, digest(cookie))
    if caller is None:
        said = (
            "Sign in first."
            if bearer is None
            else "This token opens nothing: it is wrong, revoked or expired."
        )
        raise Problem(401, said, headers={"WWW-Authenticate": "Bearer"})
    safe = request.method in SAFE
    scope = "read" if safe or request.url.path in READING else "write"
    if caller.token is not None and scope not in caller.scopes:
        raise Problem(403, "This token's scopes do not cover this.", kind="scope")
    if caller.token is None and not safe and from_here(request) is not True:
        raise Problem(403, "Changes by cookie are taken only from the console's own pages.", kind="origin")
    return caller


SignedIn = Annotated[Caller, Depends(signed_in)]


def only(*roles: Role) -> Callable[..., Awaitable[Caller]]:
    """Make a dependency that lets these roles through and puts the others' attempts in the audit."""

    async def allowed(request: Request, pool: Pool, caller: SignedIn) -> Caller:
        await insist(request, pool, caller, *roles)
        return caller

    return allowed


async def insist(request: Request, pool: Connections, caller: Caller, *roles: Role) -> None:
    """Let these roles go on; of the others the attempt is in the audit."""
    if caller.role in roles:
        return
    action = f"{request.method} {request.scope['route'].path}"
    async with pool.connection() as connection, connection.cursor() as cursor:
        await audit.record(cursor, caller.name, action, request.url.path[:200], "denied")
    raise Problem(403, f"This takes one of the roles {', '.join(roles)}.", kind="role")
