"""The acceptance card over HTTP: measured, photographed, signed, printed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from api import accepting, card
from api.accepting import AcceptingError, Signed
from api.access import Caller, SignedIn, only
from api.deeds import Deeds, DeedsOf
from api.measuring import Card, measure
from api.photo import PhotoError
from api.problems import CONFLICT, Problem
from api.spot import Spot
from api.values import Instant, Key, Prose

router = APIRouter(tags=["onboarding"])

Engineer = Annotated[Caller, Depends(only(*accepting.SIGNERS))]
Minutes = Annotated[int, Query(ge=1, le=7 * 24 * 60)]
Degrees = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Accuracy = Annotated[float, Field(ge=0, le=100_000)]


class LineShown(BaseModel):
    """One line of a card."""

    what: str
    value: str
    limit: str
    verdict: Literal["ok", "attention", "fail"]
    why: str


class CardShown(BaseModel):
    """A card; `photo` is the number of the picture that belongs to it."""

    device: str
    name: str
    department: str
    profile: str
    begins_at: Instant
    ends_at: Instant
    verdict: Literal["ok", "attention", "fail"]
    lines: list[LineShown]
    photo: int | None


class SignedShown(CardShown):
    """A card with its signature."""

    id: int
    remark: str
    signed_by: str
    signed_at: Instant


class Acceptance(BaseModel):
    """The card as it would be now, and the newest that was signed."""

    now: CardShown
    signed: SignedShown | None


class SignatureWanted(BaseModel):
    """What goes into a signed card beside what is measured; a card that fails wants a remark."""

    minutes: Annotated[int, Field(ge=1, le=7 * 24 * 60)] | None = None
    lon: Degrees | None = None
    lat: Latitude | None = None
    accuracy: Accuracy = 0.0
    remark: Prose = ""


class Photographed(BaseModel):
    """The number of a picture that was kept."""

    photo: int


def _card(found: Card) -> dict[str, object]:
    return {
        **{name: getattr(found, name) for name in CardShown.model_fields if name != "lines"},
        "lines": [asdict(line) for line in found.lines],
    }


def _signed(found: Signed) -> SignedShown:
    return SignedShown.model_validate(
        {
            **_card(found.card),
            "id": found.id, "remark": found.remark, "signed_by": found.signed_by, "signed_at": found.signed_at,
        }
    )  # fmt: skip


async def _measured(
    deeds: Deeds,
    device: str,
    caller: Caller,
    minutes: int | None,
    lon: float | None,
    lat: float | None,
    accuracy: float,
) -> Card:
    spot = None if lon is None or lat is None else Spot(lon, lat, accuracy)
    span = None if minutes is None else timedelta(minutes=minutes)
    found = await deeds.do(lambda at: measure(at, device, caller.reach, span=span, spot=spot))
    if found is None:
        raise Problem(404, "There is no such device in service.")
    return found


@router.get("/api/v1/devices/{device}/acceptance")
async def show(
    device: Key,
    caller: SignedIn,
    deeds: DeedsOf,
    minutes: Minutes | None = None,
    lon: Annotated[Degrees | None, Query()] = None,
    lat: Annotated[Latitude | None, Query()] = None,
    accuracy: Annotated[Accuracy, Query()] = 0.0,
) -> Acceptance:
    """Measure a device now; `lon`, `lat`, `accuracy` say where the engineer's phone stands."""
    now = await _measured(deeds, device, caller, minutes, lon, lat, accuracy)
    last = await deeds.do(lambda at: accepting.last_signed(at, device, caller.reach))
    return Acceptance(now=CardShown.model_validate(_card(now)), signed=_signed(last) if last else None)


@router.post("/api/v1/devices/{device}/acceptance", status_code=201, responses=CONFLICT)
async def sign(device: Key, wanted: SignatureWanted, caller: Engineer, deeds: DeedsOf) -> SignedShown:
    """Measure now and sign what was measured, in the name of the account; the device is commissioned."""
    if caller.token is not None:
        raise Problem(403, "A card is signed by a person who is signed in.", kind="scope")
    now = await _measured(deeds, device, caller, wanted.minutes, wanted.lon, wanted.lat, wanted.accuracy)
    try:
        return _signed(await deeds.do(lambda at: accepting.sign(at, caller.name, now, wanted.remark)))
    except AcceptingError as error:
        raise Problem(409, f"{error}: {error.hint}", kind="acceptance") from error


@router.put("/api/v1/devices/{device}/photo", status_code=201)
async def photograph(device: Key, request: Request, caller: Engineer, deeds: DeedsOf) -> Photographed:
    """Keep a picture of the mounted device: the body is a JPEG or PNG of at most 1 MiB."""
    body = await request.body()
    try:
        number = await deeds.do(lambda at: accepting.keep_photo(at, caller.name, device, caller.reach, body))
    except PhotoError as error:
        raise Problem(422, f"{error}: {error.hint}", kind="photo") from error
    except AcceptingError as error:
        raise Problem(404, str(error)) from error
    return Photographed(photo=number)


@router.get(
    "/api/v1/devices/{device}/photo",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "The newest picture"}},
)
async def picture(device: Key, caller: SignedIn, deeds: DeedsOf) -> Response:
    """Show the newest picture of a device."""
    body = await deeds.do(lambda at: accepting.photo_of(at, device, caller.reach))
    if body is None:
        raise Problem(404, "There is no picture of such a device.")
    return Response(body, media_type="image/jpeg")


@router.get(
    "/api/v1/devices/{device}/acceptance.pdf",
    response_class=Response,
    responses={
        200: {"content": {"application/pdf": {}}, "description": "The newest signed card, else one of now"}
    },
)
async def print_(device: Key, caller: SignedIn, deeds: DeedsOf) -> Response:
    """Draw the newest signed card; where none was signed, the card as it would be now."""
    last = await deeds.do(lambda at: accepting.last_signed(at, device, caller.reach))
    now = last.card if last else await _measured(deeds, device, caller, None, None, None, 0.0)
    signature = (last.signed_by, f"{last.signed_at:%Y-%m-%d %H:%M:%S}Z", last.remark) if last else None

    body = await deeds.do(lambda at: card.pdf(now, accepting.photo_in(at, now), signature))
    return Response(
        body,
        media_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="acceptance-{device}.pdf"'},
    )
