"""Onboarding: a new device is registered, gets its token, changes it for a credential, and is watched as it begins."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import segno
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field, SecretStr, model_validator

from api import enrolling, progress
from api.access import Caller, SignedIn, only
from api.database import Pool
from api.deeds import DeedsOf
from api.enrolling import Enrolled, EnrollingError, Token
from api.problems import CONFLICT, REFUSALS, Problem
from api.values import Instant, Key, Line, Number
from edge.link import Address
from geo.datum import Datum, to_wgs84
from ingest import credentials, label
from ingest.enrolment import EnrolmentError, Entry
from ingest.registry import HUB

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


class DeviceWanted(BaseModel):
    """A device to register: by its profile, or by the code on its label. A phone's place is WGS84, a map's often not."""

    id: Key
    name: Line | None = None
    profile: Key | None = None
    code: Annotated[str, Field(max_length=label.LONGEST)] | None = None
    department: Key | None = None
    gateway: Key | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    datum: Datum = "WGS84"

    @model_validator(mode="after")
    def _whole(self) -> DeviceWanted:
        if (self.profile is None) == (self.code is None):
            raise ValueError("give either a profile or the code of a label")
        if (self.lon is None) != (self.lat is None):
            raise ValueError("give both lon and lat, or neither")
        if self.id == HUB or self.department in (HUB, "alarm"):
            raise ValueError("this name is the hub's own")
        return self


class Invitation(BaseModel):
    """A token, this once: `link` is what a code for scanning says, `qr` that code as the address of an SVG picture."""

    device: str
    profile: str | None = None
    token: str
    link: str
    qr: str
    expires_at: Instant


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


class StepTaken(BaseModel):
    """One step of onboarding."""

    name: str
    done: bool
    at: Instant | None


class Newest(BaseModel):
    """The newest reading of one metric."""

    metric: str
    unit: str
    time: Instant
    value: Number
    flag: int


class Refused(BaseModel):
    """What the hub has not taken of it."""

    reason: str
    detail: str
    times: int
    at: Instant


class Onboarding(BaseModel):
    """How far a device has come, its newest readings, and what to do next."""

    device: str
    state: str
    steps: list[StepTaken]
    latest: list[Newest]
    refused: list[Refused]
    advice: str


class LabelMatch(BaseModel):
    """What a label says."""

    profile: str
    serial: str


def _problem(error: EnrollingError) -> Problem:
    status = {"unknown": 404, "department": 403}.get(error.kind, 409)
    return Problem(status, str(error), kind=error.kind)


def link(site: str, token: str) -> str:
    """What a code for scanning says; what follows # is never sent to a server by a browser."""
    return f"{site}/enrol#{token}"


def _invitation(request: Request, token: Token, profile: str | None = None) -> Invitation:
    said = link(request.app.state.site.public_url, token.secret)
    # Drawn here and sent in the body: a picture with an address of its own would carry the token in a URL.
    drawn = segno.make(said, error="m", micro=False).svg_data_uri(border=4, light="#fff")
    return Invitation(
        device=token.device,
        profile=profile,
        token=token.secret,
        expires_at=token.expires_at,
        link=said,
        qr=drawn,
    )


@router.get("/api/v1/labels", responses=CONFLICT)
async def labels(
    code: Annotated[str, Field(max_length=label.LONGEST)], _: SignedIn, pool: Pool
) -> LabelMatch:
    """Find the profile of a device by the code on its label."""
    async with pool.connection() as connection:
        rows = await (await connection.execute("select key, body from profile")).fetchall()
    return LabelMatch(**_matched(code, [(row["key"], row["body"]) for row in rows]))


def _matched(code: str, profiles: list[tuple[str, Any]]) -> dict[str, str]:
    try:
        found = label.match(code, profiles)
    except label.LabelError as error:
        raise Problem(409, str(error), kind="label") from error
    return {"profile": found.profile, "serial": found.serial}


def _place(wanted: DeviceWanted) -> tuple[float | None, float | None]:
    """Where it stands, in WGS 84."""
    if wanted.lon is None or wanted.lat is None:
        return None, None
    lon, lat = to_wgs84(wanted.datum, np.array([wanted.lon]), np.array([wanted.lat]))
    return float(lon[0]), float(lat[0])


@router.post("/api/v1/devices", status_code=201, responses=CONFLICT)
async def register(wanted: DeviceWanted, caller: Engineer, deeds: DeedsOf, request: Request) -> Invitation:
    """Register a device and get its token: for ten minutes, used once, shown here only."""
    department = wanted.department or caller.department
    if department is None:
        raise Problem(422, "Name the department: this account is not held to one.", kind="invalid")

    def deed(connection: Any) -> tuple[Token, str]:
        profile = wanted.profile
        if profile is None:
            known = connection.execute("select key, body from profile").fetchall()
            profile = _matched(wanted.code or "", known)["profile"]
        entry = Entry(
            wanted.id, wanted.name or wanted.id, department, profile, wanted.gateway, *_place(wanted),
            datum=wanted.datum, given_lon=wanted.lon, given_lat=wanted.lat,
        )  # fmt: skip
        with connection.transaction():
            enrolling.register(connection, caller.name, entry, reach=caller.reach)
            return enrolling.token_for(connection, caller.name, wanted.id, reach=caller.reach), profile

    try:
        token, profile = await deeds.do(deed)
    except EnrollingError as error:
        raise _problem(error) from error
    except EnrolmentError as error:
        raise Problem(422, str(error), kind="invalid") from error
    return _invitation(request, token, profile)


@router.post("/api/v1/devices/{device}/enrolment", status_code=201)
async def invite(device: Key, caller: Engineer, deeds: DeedsOf, request: Request) -> Invitation:
    """Make a new token; one that was not used yet opens nothing from now on."""
    try:
        token = await deeds.do(lambda at: enrolling.token_for(at, caller.name, device, reach=caller.reach))
    except EnrollingError as error:
        raise _problem(error) from error
    return _invitation(request, token)


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
        raise _problem(error) from error
    return _made(site, found, ready=await deeds.do(lambda at: _admitted(at, found.issued.id)))


@router.delete("/api/v1/devices/{device}/credentials", status_code=204)
async def revoke(device: Key, caller: Engineer, deeds: DeedsOf) -> Response:
    """Take a device's credential back: the broker throws it out within seconds."""
    try:
        await deeds.do(lambda at: enrolling.revoke(at, caller.name, device, reach=caller.reach))
    except EnrollingError as error:
        raise _problem(error) from error
    return Response(status_code=204)


@router.get("/api/v1/devices/{device}/onboarding")
async def onboarding(device: Key, caller: SignedIn, deeds: DeedsOf) -> Onboarding:
    """Show how far a device has come: created, enrolled, connected, reading, accepted."""
    found = await deeds.do(lambda at: progress.progress(at, device, caller.reach))
    if found is None:
        raise Problem(404, "There is no such device.")
    return Onboarding(
        device=found.device, state=found.state, advice=found.advice,
        steps=[StepTaken(name=step.name, done=step.done, at=step.at) for step in found.steps],
        latest=[Newest(**row) for row in found.latest],
        refused=[Refused(**row) for row in found.refused],
    )  # fmt: skip
