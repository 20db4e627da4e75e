"""Enrolling a device: its token is sent to the hub, once, and the credential that comes back is what it connects with."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import orjson

from edge.credential import Credential, read

TIMEOUT_S = 20.0
MOST = 64 * 1024


class NotEnrolled(Exception):
    """The token was not taken; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def enrol(link: str) -> Credential:
    """Exchange the token of `http(s)://hub/enrol#TOKEN`, as the hub printed it; raises NotEnrolled."""
    parts = urlsplit(link.strip())
    token = parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or not token:
        raise NotEnrolled(
            "this is no enrolment link",
            "copy the whole line that the hub printed, http://.../enrol#..., in quotes",
        )
    request = urllib.request.Request(  # noqa: S310 -- only http and https, see above
        f"{parts.scheme}://{parts.netloc}/api/v1/enrol",
        orjson.dumps({"token": token}),
        {"content-type": "application/json"},
    )
    again = "`cityhub device token ID` on the hub prints a new one"
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 -- as above
            return read(orjson.loads(answer.read(MOST)))
    except urllib.error.HTTPError as error:
        with error:
            raise NotEnrolled(
                f"the hub says no ({error.code}): {_detail(error.read(MOST))}", again
            ) from error
    except (OSError, http.client.HTTPException) as error:
        raise NotEnrolled(f"{parts.netloc} does not answer: {error}", "is this the hub's address?") from error
    except ValueError as error:
        raise NotEnrolled(
            f"{parts.netloc} answered something else: {error}", "is this the hub's address?"
        ) from error


def _detail(body: bytes) -> str:
    try:
        said = orjson.loads(body)
    except ValueError:
        return "no reason given"
    return str(said.get("detail", "no reason given"))[:300] if isinstance(said, dict) else "no reason given"
