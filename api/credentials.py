"""The credentials of devices: a token changed for one, one made by hand, listed, taken back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field, SecretStr

from api import enrolling
from api.access import Caller, only
from api.deeds import DeedsOf
from api.enrolling import Enrolled, EnrollingError
from api.problems import REFUSALS, Problem
from api.values import Instant, Key
from edge.link import Address
from ingest import credentials

public = APIRouter(tags=["onboarding"])
router = APIRouter(tags=["onboarding"])

Engineer = Annotated[Caller, Depends(only("engineer", "administrator"))]

# A token of 128 bits is not guessed; these keep a crowd that tries from keeping the database busy.
TRIES, TRIES_S, MOST_STRANGERS = 10, 60.0, 4096
ADMITTED_S, LOOK_S = 3.0, 0.05


@dataclass(slots=True)
class Site:
    """Where devices and people find this hub, and who has tried tokens in vain."""

    devices_at: str
    public_url: str
    _tries: dict[str, tuple[float, int]]

    def __init__(self, devices_at: str, public_url: str) -> None:
        self.devices_at, self.public_url, self._tries = devices_at, public_url.rstrip("/"), {}

    def allow(self, stranger: str) -> bool:
        """Whether this address may try again."""
        begun, tries = self._tries.get(stranger, (0.0, 0))
        return tries < TRIES or time.monotonic() - begun > TRIES_S

    def failed(self, stranger: str) -> None:
        """Count one in vain; the oldest are forgotten where there are too many."""
        now = time.monotonic()
        begun, tries = self._tries.pop(stranger, (now, 0))
        self._tries[stranger] = (now, 1) if now - begun > TRIES_S else (begun, tries + 1)
        if len(self._tries) > MOST_STRANGERS:
            del self._tries[next(iter(self._tries))]


class TokenShown(BaseModel):
    """What a device shows to get its credential."""

    token: Annotated[SecretStr, Field(max_length=128)]


class CredentialMade(BaseModel):
    """A credential with its secret, this once. `ready` says that the broker knows it already."""

    device: str
    department: str
    profile: str
    gateway: str | None
    user: str
    password: str
    client_id: str
    host: str
    port: int
    tls: bool
    topics: dict[str, list[str]]
    ready: bool


class CredentialKept(BaseModel):
    """A credential without its secret."""

    id: int
    user: str
    client_id: str
    created_at: Instant
    created_by: str
    admitted_at: Instant | None
    revoked_at: Instant | None


def problem_of(error: EnrollingError) -> Problem:
    """What an engineer is answered."""
    status = {"unknown": 404, "department": 403}.get(error.kind, 409)
    return Problem(status, str(error), kind=error.kind)


@public.post("/api/v1/enrol", responses={key: REFUSALS[key] for key in (401, 422, 503)})
async def enrol(shown: TokenShown, request: Request, deeds: DeedsOf) -> CredentialMade:
    """Exchange a token for the device's credential. A used one and an unknown one get the same answer."""
    site: Site = request.app.state.site
    stranger = request.client.host if request.client else ""
    if not site.allow(stranger):
        raise Problem(429, "Too many tokens in vain: try again in a minute.", headers={"Retry-After": "60"})
    if not site.devices_at:
        raise Problem(503, "This hub does not know where devices connect: set field_mqtt_url.", kind="broker")
    found = await deeds.do(lambda at: enrolling.redeem(at, shown.token.get_secret_value()))
    if found is None:
        site.failed(stranger)
        raise Problem(
            401, "This token opens nothing: it is wrong, used, or older than ten minutes.", kind="token"
        )
    return _made(site, found, ready=await deeds.do(lambda at: _admitted(at, found.issued.id)))


def _made(site: Site, found: Enrolled, *, ready: bool) -> CredentialMade:
    at = Address(site.devices_at)
    base = f"city/v1/{found.department}/{found.device}"
    return CredentialMade(
        device=found.device, department=found.department, profile=found.profile, gateway=found.gateway,
        user=found.issued.user, password=found.issued.secret, client_id=found.issued.client_id,
        host=at.host, port=at.port, tls=at.tls, ready=ready,
        topics={
            "publish": [f"{base}/{leaf}" for leaf in credentials.PUBLISHED],
            "subscribe": [f"{base}/{leaf}" for leaf in credentials.READ],
        },
    )  # fmt: skip


def _admitted(connection: Any, issued: int) -> bool:
    """Wait a moment for the broker to know it, so that a device is not turned away at its first try."""
    limit = time.monotonic() + ADMITTED_S
    while not credentials.is_admitted(connection, issued):
        if time.monotonic() > limit:
            return False
        time.sleep(LOOK_S)
    return True


@router.get("/api/v1/devices/{device}/credentials")
async def kept(device: Key, caller: Engineer, deeds: DeedsOf) -> list[CredentialKept]:
    """List the credentials that a device has had, the newest first."""
    found = await deeds.do(lambda at: credentials.kept(at, device, caller.reach))
    return [CredentialKept(**row) for row in found]


@router.post("/api/v1/devices/{device}/credentials", status_code=201)
async def issue(device: Key, caller: Engineer, deeds: DeedsOf, request: Request) -> CredentialMade:
    """Make a credential without a token, for a device that is set up by hand; the one that it had is revoked."""
    site: Site = request.app.state.site
    if not site.devices_at:
        raise Problem(503, "This hub does not know where devices connect: set field_mqtt_url.", kind="broker")

    def deed(connection: Any) -> Enrolled:
        issued, department = enrolling.issue(connection, device, caller.name, reach=caller.reach)
        row = connection.execute(
            """select d.profile, g.key from device d left join device g on g.id = d.gateway_id where d.key = %s""",
            (device,),
        ).fetchone()
        return Enrolled(device, department, row[0], row[1], issued)

    try:
        found = await deeds.do(deed)
    except EnrollingError as error:
        raise problem_of(error) from error
    return _made(site, found, ready=await deeds.do(lambda at: _admitted(at, found.issued.id)))


@router.delete("/api/v1/devices/{device}/credentials", status_code=204)
async def revoke(device: Key, caller: Engineer, deeds: DeedsOf) -> Response:
    """Take a device's credential back: the broker throws it out within seconds."""
    try:
        await deeds.do(lambda at: enrolling.revoke(at, caller.name, device, reach=caller.reach))
    except EnrollingError as error:
        raise problem_of(error) from error
    return Response(status_code=204)
