"""What this process says to Prometheus: requests by route, the live stream, the hub's own figures."""

from typing import Annotated

import psycopg
from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import Scope

from api import access
from api.database import Pool
from api.feed import Feed
from api.status import hub_of

public = APIRouter(tags=["status"])

LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})


class Meter:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "cityhub_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "cityhub_http_request_seconds",
            "Time to the end of the answer, streams left out.",
            ("route",),
            registry=self.registry,
        )
        self.streams = Gauge("cityhub_streams", "Live streams open.", registry=self.registry)
        self.feed_connected = Gauge(
            "cityhub_feed_connected", "1 while the alarm feed listens.", registry=self.registry
        )
        self.feed_reconnects = Gauge(
            "cityhub_feed_reconnects", "Times the alarm feed lost its connection.", registry=self.registry
        )
        self.feed_events = Gauge(
            "cityhub_feed_events", "Alarm transitions told to streams.", registry=self.registry
        )
        self.hub = Gauge("cityhub_hub", "What the hub says of itself.", ("figure",), registry=self.registry)

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answered request under its route's template: a path would be a label without end."""
        route = getattr(scope.get("route"), "path", "") or "other"
        method = scope["method"] if scope["method"] in {"GET", "POST", "PUT", "PATCH", "DELETE"} else "other"
        self.requests.labels(method, route, str(status)).inc()
        if route != "/api/v1/stream":
            self.seconds.labels(route).observe(seconds)

    def look(self, feed: Feed) -> None:
        """Take over the live stream's figures."""
        self.streams.set(len(feed.subscribers))
        self.feed_connected.set(feed.connected.is_set())
        self.feed_reconnects.set(feed.reconnects)
        self.feed_events.set(feed.sent)


async def _near(
    request: Request,
    pool: Pool,
    cookie: Annotated[str | None, Security(access.session_cookie)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(access.bearer_token)],
) -> None:
    """Let a scraper on this machine in without an account."""
    if request.client is None or request.client.host not in LOOPBACK:
        await access.signed_in(request, pool, cookie, bearer)


@public.get("/metrics", dependencies=[Depends(_near)], response_class=Response)
async def metrics(request: Request, pool: Pool) -> Response:
    """Answer in Prometheus' text format."""
    meter: Meter = request.app.state.meter
    meter.look(request.app.state.feed)
    try:
        async with pool.connection(timeout=2) as connection:
            hub = await hub_of(connection)
    except psycopg.OperationalError:
        meter.hub.clear()
    else:
        for figure, value in hub.model_dump().items():
            if isinstance(value, int | float):
                meter.hub.labels(figure).set(value)
    return Response(generate_latest(meter.registry), media_type=CONTENT_TYPE_LATEST)
