"""The outermost layer: headers on every answer, a cap on every body, no exception left untold."""

import time
import traceback

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.meter import Meter
from api.problems import answer

log = structlog.get_logger(__name__)

MOST = 1024 * 1024
# A list of a whole city's components, a layer of 15,000 zones, 100,000 points of 17 digits; their routes read them after
# sign-in, piece by piece.
LARGER = {
    "/api/v1/imports": 32 * 1024 * 1024,
    "/api/v1/zones": 16 * 1024 * 1024,
    "/api/v1/locate": 6 * 1024 * 1024,
}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; worker-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TOO_LARGE = "A body has at most {} bytes here."


class Guard:
    """Wraps the whole application; plain ASGI, so that streams pass unbuffered."""

    def __init__(self, app: ASGIApp, *, secure: bool, meter: Meter) -> None:
        self._app = app
        self._meter = meter
        self._headers = dict(HEADERS)
        if secure:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        begun = time.perf_counter()

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                # What says nothing about caching is an answer, and answers are for one caller.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            most = LARGER.get(scope["path"], MOST)
            if _announced(scope, most) > most:
                await answer(413, TOO_LARGE.format(most))(scope, receive, dressed)
            else:
                await self._app(scope, _capped(receive, most), dressed)
        except Exception as error:
            # As text: a renderer given the exception itself may print every frame's variables, and
            # among them are secrets.
            told = "".join(traceback.format_exception(error))
            log.error("a request failed", method=scope["method"], path=scope["path"][:200], traceback=told)  # noqa: TRY400
            if status:
                raise
            await answer(500, "Something failed here; the log says what.")(scope, receive, dressed)
        finally:
            self._meter.count(scope, status or 500, time.perf_counter() - begun)


def _announced(scope: Scope, most: int) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else most + 1
    return 0


def _capped(receive: Receive, most: int) -> Receive:
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise HTTPException(413, TOO_LARGE.format(most))
        return message

    return counted
