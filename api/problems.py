"""Every refusal as RFC 9457 problem details; none of them repeats what was sent."""

from http import HTTPStatus
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

log = structlog.get_logger(__name__)


class ProblemDetails(BaseModel):
    """What a refusal looks like on the wire."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Problem(Exception):
    """Raised by a route to refuse; becomes the answer."""

    def __init__(
        self, status: int, detail: str, *, kind: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.kind, self.headers = status, detail, kind, headers


def answer(
    status: int,
    detail: str,
    *,
    kind: str | None = None,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Write a problem as a response."""
    body = {
        "type": f"urn:cityhub:problem:{kind}" if kind else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def _described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "model": ProblemDetails,
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status in statuses
    }


REFUSALS = _described(401, 403, 404, 422, 503)
"""What every protected route may answer, for the OpenAPI document."""
CONFLICT = _described(409)


async def _problem(_: Request, problem: Problem) -> JSONResponse:
    return answer(problem.status, problem.detail, kind=problem.kind, headers=problem.headers)


async def _http(_: Request, error: HTTPException) -> JSONResponse:
    headers = dict(error.headers) if error.headers else None
    return answer(error.status_code, str(error.detail), headers=headers)


async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    # The default handler repeats the input, and the input may be a password.
    errors = [
        {"where": ".".join(map(str, each["loc"])), "what": str(each["msg"])} for each in error.errors()[:20]
    ]
    detail = "; ".join(f"{each['where']}: {each['what']}" for each in errors[:3])
    return answer(422, detail, kind="invalid", errors=errors)


async def _database(request: Request, error: psycopg.Error) -> JSONResponse:
    match error:
        case psycopg.errors.QueryCanceled():
            return answer(
                503, "The answer took too long: ask for a shorter span or fewer rows.", kind="timeout"
            )
        case psycopg.DataError():
            log.warning("data refused by the database", path=request.url.path, sqlstate=error.sqlstate)
            return answer(422, "A value is outside what can be stored or computed.", kind="invalid")
        case psycopg.OperationalError():
            log.warning("database unavailable", path=request.url.path, error=type(error).__name__)
            return answer(
                503, "The database is not available.", kind="database", headers={"Retry-After": "2"}
            )
    raise error


def install(app: FastAPI) -> None:
    """Turn every error that a route may raise into a problem."""
    handlers: dict[type[Exception], Any] = {
        Problem: _problem,
        HTTPException: _http,
        RequestValidationError: _invalid,
        psycopg.Error: _database,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
