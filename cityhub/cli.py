"""The command line: `cityhub COMMAND`; an operator's mistake prints `Error:` and `Try:` and exits with 2."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

import structlog
import typer

from cityhub.commands import (
    account,
    backtest,
    bench,
    broker,
    decode,
    demo,
    device,
    doctor,
    field,
    ledger,
    onboarding,
    replay,
    rule,
    up,
    zone,
)

OPERATORS_FAULTS = {
    errno.EACCES: "give this user the right to write there, or choose another directory with CITYHUB_HOME",
    errno.EROFS: "choose another directory with CITYHUB_HOME",
    errno.ENOSPC: "make room on that disk, or choose another directory with CITYHUB_HOME",
}
"""What the operating system refuses, and what to try."""

app = typer.Typer(
    help="A sensing hub for cities: telemetry in, checked on the way, alarms that are believed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("hub")(up.hub)
app.command("api")(up.api)
app.command("migrate")(up.migrate)
app.add_typer(field.edge, name="edge")
app.add_typer(field.sim, name="sim")
app.command("replay")(replay.replay)
app.command("backtest")(backtest.backtest)
app.command("decode")(decode.decode)
app.add_typer(device.app, name="device")
app.add_typer(onboarding.source, name="source")
app.add_typer(broker.app, name="broker")
app.add_typer(zone.app, name="zone")
app.add_typer(rule.app, name="rule")
app.command("doctor")(doctor.doctor)
app.command("ledger")(ledger.ledger)
app.add_typer(account.app, name="account")
app.command("bench")(bench.bench)


def main() -> None:
    """Run one command. Errors that carry a hint are the operator's to mend; anything else is a bug and shows itself."""
    _log_to_stderr()
    try:
        app()
    except OSError as error:
        if error.errno not in OPERATORS_FAULTS:
            raise
        fail(
            f"{error.strerror}: {error.filename or 'the state directory'}",
            OPERATORS_FAULTS[error.errno],
            sys.exit,
        )
    except Exception as error:
        hint = getattr(error, "hint", None)
        if hint is None:
            raise
        fail(str(error), str(hint), sys.exit)


def fail(message: str, hint: str, leave: Callable[[int], object]) -> None:
    """Say what is wrong and what to try."""
    print(f"Error: {message}", file=sys.stderr)  # noqa: T201 -- this is where the operator reads it
    if hint:
        print(f"Try: {hint}", file=sys.stderr)  # noqa: T201
    leave(2)


def _log_to_stderr() -> None:
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


if __name__ == "__main__":
    main()
