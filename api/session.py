"""Signing in and out: an opaque session in a cookie, a growing pause after failures."""

import secrets
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, SecretStr, StringConstraints

from api import accounts
from api.access import COOKIE, Role, SignedIn, digest, from_here
from api.database import Pool
from api.problems import REFUSALS, Problem
from api.values import storable
from governance import audit

public = APIRouter(tags=["session"])
router = APIRouter(tags=["session"])

LIFE_S = 7 * 24 * 3600
FREE = 5
"""Failures before the first pause."""
LONGEST_S = 300

# Each check takes 64 MiB and tens of milliseconds of a core: more at once would starve the rest.
CHECKS = 2
WAITING = 20


def _password(value: SecretStr) -> SecretStr:
    plain = value.get_secret_value()
    if not 1 <= len(plain) <= 256:  # noqa: PLR2004 -- the bound is said in the message
        raise ValueError("a password has 1 to 256 characters")
    storable(plain)
    return value


class Credentials(BaseModel):
    """What a person signs in with."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(storable)]
    password: Annotated[SecretStr, AfterValidator(_password)]


class Session(BaseModel):
    """Who is signed in."""

    name: str
    role: Role
    department: str | None


class Desk:
    """Checks passwords a few at a time and turns the crowd away."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(CHECKS)
        self._waiting = 0

    async def __aenter__(self) -> None:
        if self._waiting >= WAITING:
            raise Problem(
                503, "Too many are signing in: try again in a moment.", headers={"Retry-After": "5"}
            )
        self._waiting += 1
        try:
            await self._limiter.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._limiter.release()


async def _check(pool: Pool, credentials: Credentials, secret: str) -> Session | None:
    """Compare, count and, where it fits, open a session: one transaction with the account locked.

    The lock makes guesses at one name walk in single file, so the count cannot be outrun.
    """
    async with pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
        await cursor.execute(
            """
            select a.id, a.name, a.role, a.password, a.failed, p.key as department,
                   coalesce(a.locked_until > now(), false) as locked
            from account a left join department p on p.id = a.department_id
            where a.name = %s for update of a
            """,
            (credentials.name,),
        )
        account = await cursor.fetchone()
        kept = account["password"] if account else None
        fits = await anyio.to_thread.run_sync(accounts.fits, kept, credentials.password.get_secret_value())
        if account is None:
            # The name is not written down: people type their password into that field.
            await audit.record(cursor, "unknown", "session.open", "session", "denied")
            return None
        if account["locked"] or not fits:
            failed = account["failed"] + (not account["locked"])
            pause = min(2 ** min(failed - FREE, 20), LONGEST_S) if failed >= FREE else 0
            if not account["locked"]:
                await cursor.execute(
                    "update account set failed = %s, locked_until = now() + make_interval(secs => %s) where id = %s",
                    (failed, pause, account["id"]),
                )
            await audit.record(
                cursor,
                account["name"],
                "session.open",
                "session",
                "denied",
                {"failed": failed, "locked": int(account["locked"])},
            )
            return None
        await cursor.execute(
            "update account set failed = 0, locked_until = null where id = %s", (account["id"],)
        )
        await cursor.execute("delete from session where expires_at < now()")
        await cursor.execute(
            """
            insert into session (digest, account_id, expires_at)
            values (%s, %s, now() + make_interval(secs => %s))
            """,
            (digest(secret), account["id"], LIFE_S),
        )
        await audit.record(cursor, account["name"], "session.open", "session", "done")
        return Session(name=account["name"], role=account["role"], department=account["department"])


@public.post(
    "/api/v1/session",
    responses={key: REFUSALS[key] for key in (401, 403, 422, 503)},
    summary="Sign in",
)
async def sign_in(credentials: Credentials, request: Request, response: Response, pool: Pool) -> Session:
    """Open a session; the answer to an unknown name is the answer to a wrong password."""
    if from_here(request) is False:
        raise Problem(403, "Sign in from the console's own page.", kind="origin")
    secret = secrets.token_urlsafe(32)
    async with request.app.state.desk:
        session = await _check(pool, credentials, secret)
    if session is None:
        detail = (
            "Name or password do not fit, or too many attempts failed: then each next one has to wait longer."
        )
        raise Problem(401, detail, kind="credentials")
    response.set_cookie(
        COOKIE,
        secret,
        max_age=LIFE_S,
        path="/",
        httponly=True,
        samesite="lax",
        secure=request.app.state.secure or request.url.scheme == "https",
    )
    return session


@router.get("/api/v1/session", summary="Who am I")
async def who(caller: SignedIn) -> Session:
    """Tell a caller who they are."""
    return Session(name=caller.name, role=caller.role, department=caller.department)


@router.delete("/api/v1/session", status_code=204, summary="Sign out")
async def sign_out(caller: SignedIn, response: Response, pool: Pool) -> None:
    """End the session, here and in the browser."""
    if caller.token is not None:
        raise Problem(403, "A token is revoked, not signed out.", kind="scope")
    async with pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
        await cursor.execute("delete from session where digest = %s", (caller.key,))
        await audit.record(cursor, caller.name, "session.close", "session", "done")
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
