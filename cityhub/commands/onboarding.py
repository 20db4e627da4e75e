"""`cityhub device new|token|watch|accept|revoke` and `cityhub source`: from the box to trusted data."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import psycopg
import segno
import typer
from rich.console import Console
from rich.table import Table

from api import accepting, card, enrolling
from api.enrolling import Token
from api.measuring import Card, measure
from api.onboarding import link
from api.photo import BYTES
from api.progress import STEPS, Progress, progress
from api.spot import Spot
from cityhub.addresses import reach
from cityhub.commands.options import Config, connect, settings
from cityhub.settings import OperatorError, Settings
from ingest import credentials, label
from ingest.enrolment import IDENTIFIER, EnrolmentError, Entry
from ingest.entry import misplaced
from ingest.registry import HUB
from ingest.ucum import quantity

out = Console(highlight=False)
source = typer.Typer(
    help="Platforms with topics of their own (ChirpStack, cameras): their credentials.", no_args_is_help=True
)

BY = "cityhub"
"""Whoever has this machine's command line; the API's deeds carry the account's name."""

LOOK_S = 1.0
COLOURS = {"ok": "green", "attention": "yellow", "fail": "bold red"}
Device = Annotated[str, typer.Argument(help="The device's id.")]
Longitude = Annotated[float | None, typer.Option(help="WGS 84, degrees east.")]
Latitude = Annotated[float | None, typer.Option(help="WGS 84, degrees north.")]


def new(  # noqa: PLR0917 -- the options of a command line
    device: Device,
    department: Annotated[str, typer.Option(help="The department that owns it.")],
    profile: Annotated[str | None, typer.Option(help="What kind of device it is.")] = None,
    code: Annotated[
        str | None, typer.Option(help="In place of --profile: the text of the code on its label.")
    ] = None,
    gateway: Annotated[str | None, typer.Option(help="The gateway that carries its readings.")] = None,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    lon: Longitude = None,
    lat: Latitude = None,
    config: Config = None,
) -> None:
    """Register a device, and print the token with which it gets its credential (ten minutes, once)."""
    given = settings(config)
    if (profile is None) == (code is None):
        raise OperatorError("say what kind of device it is", "give either --profile or --code")
    for said in (device, department):
        if not IDENTIFIER.fullmatch(said) or said in ("alarm", "hub"):
            raise OperatorError(
                f"{said!r:.80} is no id", "use lower-case letters, digits and hyphens, at most 64"
            )
    _on_the_earth(lon, lat)
    with connect(given) as connection:
        if profile is None:
            known = connection.execute("select key, body from profile").fetchall()
            profile = label.match(code or "", known).profile
        entry = Entry(device, name or device, department, profile, gateway, lon, lat)
        departments = {row[0] for row in connection.execute("select key from department").fetchall()}
        try:
            with connection.transaction():
                enrolling.register(connection, BY, entry)
                made = None if gateway else enrolling.token_for(connection, BY, device)
        except EnrolmentError as error:
            said = "; ".join(error.faults)
            raise OperatorError(f"not registered: {said}", "correct that and give the line again") from error
    out.print(f"{device} is registered: {profile}, of {department}")
    if department not in departments:
        out.print(f"Note: {department} is a new department" + _among(departments))
    if made is None:
        out.print(f"Its readings come through {gateway}: name it there, it needs no credential of its own.")
    else:
        _show_token(given, made)
    out.print(f"Then watch it: cityhub device watch {device}")


def _among(known: set[str]) -> str:
    others = sorted(known - {HUB})
    return f"; so far there were {', '.join(others[:10])}" if others else ""


def _on_the_earth(lon: float | None, lat: float | None) -> None:
    if wrong := misplaced(lon, lat):
        _, reason, remedy = wrong
        raise OperatorError(reason, remedy)


def token(device: Device, config: Config = None) -> None:
    """Print a new token for a device; one that was not used yet opens nothing from now on."""
    given = settings(config)
    with connect(given) as connection:
        _show_token(given, enrolling.token_for(connection, BY, device))


def _show_token(given: Settings, made: Token) -> None:
    site = given.public_url.rstrip("/") or f"http://{given.api_host}:{given.api_port}"
    text = link(site, made.secret)
    out.print(f"\nToken, until {made.expires_at.astimezone():%H:%M:%S}, used once and shown only here:\n")
    out.print(f"  {text}\n", soft_wrap=True)
    if out.is_terminal:
        segno.make(text, error="m").terminal(compact=True)
    out.print("On an edge agent's machine:  cityhub edge enrol 'THE LINE ABOVE'")
    out.print(
        f"By hand:  curl -d '{{\"token\": \"...\"}}' -H 'content-type: application/json' {site}/api/v1/enrol"
    )


def revoke(device: Device, config: Config = None) -> None:
    """Take a device's credential back: the broker throws it out within seconds."""
    with connect(settings(config)) as connection:
        gone = enrolling.revoke(connection, BY, device)
    out.print(f"{device}: {'revoked' if gone else 'it had no credential'}")


def watch(
    device: Device,
    for_s: Annotated[float | None, typer.Option("--for", help="End after this many seconds.", min=1)] = None,
    until: Annotated[
        str | None, typer.Option(help=f"End when it has come so far: {', '.join(STEPS)}.")
    ] = None,
    config: Config = None,
) -> None:
    """Watch a new device: what it has done, its readings as they come, what is refused and why.

    With `--until` it ends with 0 when the device has come so far, and with 1 where `--for` ran out before.
    """
    if until is not None and until not in STEPS:
        raise OperatorError(f"there is no step {until}", f"choose one of {', '.join(STEPS)}")
    begun = time.monotonic()
    seen: set[object] = set()
    with connect(settings(config)) as connection:
        while True:
            found = progress(connection, device, None)
            if found is None:
                raise OperatorError(f"no device {device}", "`cityhub device list` shows those there are")
            _tell(found, seen)
            if until is not None and STEPS.index(found.state) >= STEPS.index(until):
                return
            if for_s is not None and time.monotonic() - begun > for_s:
                raise typer.Exit(0 if until is None else 1)
            try:
                time.sleep(LOOK_S)
            except KeyboardInterrupt:
                return


def _tell(found: Progress, seen: set[object]) -> None:
    """Print what is new since the last look."""

    def once(key: object, line: str) -> None:
        if key not in seen:
            seen.add(key)
            out.print(line)

    for step in found.steps:
        if step.done and step.at is not None:
            once(step.name, f"[bold]{step.name:<10}[/] {step.at:%Y-%m-%d %H:%M:%S}Z")
    for row in reversed(found.latest):
        mark = "" if row["flag"] in (1, 2) else f"  [yellow]flag {row['flag']}[/]"
        once(
            (row["metric"], row["time"]),
            f"  {row['time']:%H:%M:%S}Z  {row['metric']:<18} {quantity(row['value'], row['unit'])}{mark}",
        )
    for row in reversed(found.refused):
        once(
            (row["reason"], row["detail"], row["times"]),
            f"  [red]refused[/] {row['reason']}: {row['detail']} ({row['times']} times)",
        )
    once(found.advice, f"[dim]{found.advice}[/]")


def accept(  # noqa: PLR0917 -- the options of a command line
    device: Device,
    sign: Annotated[
        str | None, typer.Option(help="Sign as this account, an engineer; without it the card is only shown.")
    ] = None,
    photo: Annotated[Path | None, typer.Option(help="A picture of the mounted device, JPEG or PNG.")] = None,
    pdf: Annotated[Path | None, typer.Option(help="Write the card as a PDF.")] = None,
    minutes: Annotated[int | None, typer.Option(help="The span to measure, up to now.", min=1)] = None,
    lon: Longitude = None,
    lat: Latitude = None,
    accuracy: Annotated[float, typer.Option(help="Of --lon and --lat, in metres.", min=0)] = 0.0,
    remark: Annotated[
        str, typer.Option(help="Goes onto the card; a card that fails is not signed without.")
    ] = "",
    config: Config = None,
) -> None:
    """Measure a device for its acceptance card; `--sign NAME` signs it and puts the device into service.

    `--lon` and `--lat` are where you stand: the registry's place is held against it.
    """
    _on_the_earth(lon, lat)
    spot = None if lon is None or lat is None else Spot(lon, lat, accuracy)
    with connect(settings(config)) as connection:
        if sign is not None:
            accepting.signer(connection, sign, device)
        if photo is not None:
            accepting.keep_photo(connection, sign or BY, device, None, _read(photo))
        span = None if minutes is None else timedelta(minutes=minutes)
        found = measure(connection, device, None, span=span, spot=spot)
        if found is None:
            raise OperatorError(
                f"no device {device} in service", "`cityhub device list` shows those there are"
            )
        _show(found)
        signature = None
        if sign is not None:
            signed = accepting.sign(connection, sign, found, remark)
            signature = (sign, f"{signed.signed_at:%Y-%m-%d %H:%M:%S}Z", remark)
            out.print(f"Signed by {sign}: {device} is in service.")
        if pdf is not None:
            _write(connection, pdf, found, signature)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(BYTES + 1)
    except OSError as error:
        raise OperatorError(f"cannot read {file}: {error.strerror}", "give a JPEG or PNG file") from error


def _write(
    connection: psycopg.Connection, file: Path, found: Card, signature: tuple[str, str, str] | None
) -> None:
    body = card.pdf(found, accepting.photo_in(connection, found), signature)
    try:
        file.write_bytes(body)
    except OSError as error:
        raise OperatorError(f"cannot write {file}: {error.strerror}", "choose another file") from error
    out.print(f"Card written to {file}")


def _show(found: Card) -> None:
    table = Table("", "what", "measured", "limit", "why", box=None)
    for line in found.lines:
        table.add_row(
            f"[{COLOURS[line.verdict]}]{line.verdict}[/]", line.what, line.value, line.limit, line.why
        )
    out.print(f"{found.device}, {found.begins_at:%Y-%m-%d %H:%M:%S}Z to {found.ends_at:%H:%M:%S}Z")
    out.print(table)
    out.print(f"[{COLOURS[found.verdict]}]{found.verdict}[/]")


@source.callback()
def source_group() -> None:
    """Platforms with topics of their own."""


@source.command("new")
def new_source(
    name: Annotated[str, typer.Argument(help="Its user name at the broker.")],
    department: Annotated[str, typer.Option(help="The department that answers for it.")],
    publish: Annotated[list[str], typer.Option(help="A topic filter it may publish to; may be repeated.")],
    subscribe: Annotated[list[str] | None, typer.Option(help="One it may read; may be repeated.")] = None,
    config: Config = None,
) -> None:
    """Make a credential for a platform, for these topic filters and no others; the one it had is revoked."""
    given = settings(config)
    with connect(given) as connection:
        issued = enrolling.issue_source(connection, BY, name, department, publish, subscribe or [])
    out.print(
        f"broker {reach(given).field_mqtt_url}\nuser {issued.user}\npassword {issued.secret}   (shown this once)"
    )


@source.command("revoke")
def revoke_source(name: Annotated[str, typer.Argument()], config: Config = None) -> None:
    """Take a platform's credential back."""
    with connect(settings(config)) as connection:
        gone = enrolling.revoke_source(connection, BY, name)
    out.print(f"{name}: {'revoked' if gone else 'it had no credential'}")


@source.command("list")
def list_sources(config: Config = None) -> None:
    """List the platforms that may enter the broker."""
    table = Table("source", "department", "publishes", "reads", "since", "at the broker", box=None)
    with connect(settings(config)) as connection:
        for row in credentials.sources(connection):
            table.add_row(*row)
    out.print(table)
