"""The application put together: every route behind sign-in, but for those that are listed here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from fastapi import Depends, FastAPI

from api import (
    acceptance,
    access,
    alarms,
    areas,
    credentials,
    crossings,
    devices,
    events,
    flows,
    forecast,
    imports,
    inside,
    latest,
    ledger,
    life,
    lineage,
    load,
    locate,
    meter,
    onboarding,
    problems,
    readings,
    series,
    session,
    status,
    stream,
    telemetry,
    tokens,
    tracks,
    zone_changes,
    zones,
)
from api.database import pool_of
from api.deeds import Deeds
from api.feed import Feed
from api.guard import Guard
from api.meter import Meter
from api.pulse import Pulse
from api.site import Console
from api.survey import Survey
from geo.origin import LEAST_MINIMUM

log = structlog.get_logger(__name__)

PUBLIC = (session.public, status.public, meter.public, credentials.public)
PROTECTED = (
    session.router,
    tokens.router,
    onboarding.router,
    credentials.router,
    acceptance.router,
    devices.router,
    events.router,
    life.router,
    imports.router,
    series.router,
    latest.router,
    readings.router,
    forecast.router,
    telemetry.router,
    lineage.router,
    zones.router,
    locate.router,
    inside.router,
    areas.router,
    flows.router,
    tracks.router,
    crossings.router,
    zone_changes.router,
    load.router,  # before the alarms, whose ids would take its name
    alarms.router,
    ledger.router,
    status.router,
    stream.router,
)


def build(
    database_url: str,
    *,
    secure: bool = False,
    static: Path | None = None,
    devices_at: str = "",
    public_url: str = "",
    minimum_group: int = 5,
) -> FastAPI:
    """Make the application; it connects when it starts, and starts without a database too.

    `secure` says that browsers reach it by TLS: cookies and answers then insist on it. `devices_at` is the broker's
    address for devices (`mqtt://host:port`), `public_url` that of this application as others reach it. Of people whom
    cameras see no group below `minimum_group` is shown, nor below three.
    """
    app = FastAPI(
        title="CityHub",
        version=status.version(),
        description="A sensing hub for cities.",
        docs_url=None,
        redoc_url=None,
        lifespan=_running,
    )
    app.state.secure = secure
    app.state.meter = Meter()
    app.state.desk = session.Desk()
    app.state.deeds = Deeds(database_url)
    app.state.site = credentials.Site(devices_at, public_url)
    app.state.pool = pool_of(database_url)
    app.state.feed = Feed(database_url, app.state.pool)
    app.state.minimum_group = max(minimum_group, LEAST_MINIMUM)
    app.state.survey = Survey(app.state.pool)
    app.state.pulse = Pulse(app.state.feed, app.state.pool)
    problems.install(app)
    for router in PUBLIC:
        app.include_router(router)
    for router in PROTECTED:
        app.include_router(router, dependencies=[Depends(access.signed_in)], responses=problems.REFUSALS)
    app.mount("/", Console(static or Path(__file__).parent / "static"), name="console")
    app.add_middleware(Guard, secure=secure, meter=app.state.meter)
    return app


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    async with app.state.pool:
        tasks = [
            asyncio.create_task(app.state.feed.run(), name="feed"),
            asyncio.create_task(app.state.pulse.run(), name="pulse"),
            asyncio.create_task(app.state.survey.run(), name="survey"),
        ]
        for task in tasks:
            task.add_done_callback(_ended)
        try:
            yield
        finally:
            app.state.feed.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        log.error("a background task ended", task=task.get_name(), error=repr(task.exception()))
