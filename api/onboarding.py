"""Onboarding: a new device is registered, gets its token, and is watched as it begins."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import segno
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, model_validator

from api import enrolling, progress
from api.access import SignedIn
from api.credentials import Engineer, problem_of
from api.database import Pool
from api.deeds import DeedsOf
from api.enrolling import EnrollingError, Token
from api.problems import CONFLICT, Problem
from api.values import Instant, Key, Line, Number
from geo.datum import Datum, to_wgs84
from ingest import label
from ingest.enrolment import EnrolmentError, Entry
from ingest.registry import HUB

router = APIRouter(tags=["onboarding"])


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
        raise problem_of(error) from error
    except EnrolmentError as error:
        raise Problem(422, str(error), kind="invalid") from error
    return _invitation(request, token, profile)


@router.post("/api/v1/devices/{device}/enrolment", status_code=201)
async def invite(device: Key, caller: Engineer, deeds: DeedsOf, request: Request) -> Invitation:
    """Make a new token; one that was not used yet opens nothing from now on."""
    try:
        token = await deeds.do(lambda at: enrolling.token_for(at, caller.name, device, reach=caller.reach))
    except EnrollingError as error:
        raise problem_of(error) from error
    return _invitation(request, token)


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
