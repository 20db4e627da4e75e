"""The one error of the private services: a sentence for the operator, and what to try."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_ROOM_BYTES = 4_000_000


class ServiceError(Exception):
    """A private service cannot run; printed as ``Error: ...`` and ``Try: ...``."""

    def __init__(self, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


@contextmanager
def told_about(home: Path) -> Iterator[None]:
    """Turn what the operating system says about the state directory into a sentence."""
    try:
        yield
    except OSError as error:
        raise _sentence(home, error) from error


def _sentence(home: Path, error: OSError) -> ServiceError:
    where = error.filename or home
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return disk_full(home)
    if error.errno in {errno.EACCES, errno.EPERM}:
        return ServiceError(
            f"User id {os.geteuid()} may not write {where}.",
            hint="choose a state directory of your own, or change the owner of this one",
        )
    if error.errno == errno.EROFS:
        return ServiceError(
            f"The file system that holds {where} is read-only.", hint="choose another state directory"
        )
    return ServiceError(
        f"The state directory {home} cannot be used: {error.strerror or error} ({where}).",
        hint="choose another state directory",
    )


def disk_full(home: Path) -> ServiceError:
    """The sentence for a disk without room."""
    return ServiceError(
        f"The disk that holds {home} is full.",
        hint="make room there, or choose a state directory on another disk",
    )


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def died(what: str, home: Path, *logs: Path) -> ServiceError:
    """The sentence for a service that ended while it started, with what it said last."""
    said = "\n".join(filter(None, map(tail, logs)))
    # On a full disk the last words themselves may not have found room.
    if "No space left on device" in said or shutil.disk_usage(home).free < _NO_ROOM_BYTES:
        return disk_full(home)
    return ServiceError(
        f"The private {what} ended while it started. Its last words:\n{said or '(none)'}",
        hint=f"read {logs[0]}; if it says nothing useful, try another state directory",
    )
