"""What a process says to the person who started it: an operator's mistake as `Error:` and `Try:`, and its log."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

OPERATORS_FAULTS = {
    errno.EACCES: "give this user the right to write there, or choose another directory with CITYHUB_HOME",
    errno.EROFS: "choose another directory with CITYHUB_HOME",
    errno.ENOSPC: "make room on that disk, or choose another directory with CITYHUB_HOME",
}
"""What the operating system refuses, and what to try."""


@contextmanager
def mistakes_told() -> Iterator[None]:
    """Errors that carry a hint are the operator's to mend and exit with 2; anything else is a bug and shows itself."""
    try:
        yield
    except OSError as error:
        if error.errno not in OPERATORS_FAULTS:
            raise
        _fail(f"{error.strerror}: {error.filename or 'the state directory'}", OPERATORS_FAULTS[error.errno])
    except Exception as error:
        hint = getattr(error, "hint", None)
        if hint is None:
            raise
        _fail(str(error), str(hint))


def _fail(message: str, hint: str) -> None:
    print(f"Error: {message}", file=sys.stderr)  # noqa: T201 -- this is where the operator reads it
    if hint:
        print(f"Try: {hint}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


def log_to_stderr() -> None:
    """One event a line: for people where they watch, else JSON."""
    # Tracebacks as plain text: the richer forms print local variables, and those hold passwords.
    if sys.stderr.isatty():
        last: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
