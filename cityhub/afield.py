"""The agent's process: `python -m cityhub.afield`, which `cityhub edge run` becomes; small, for a gateway is."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

from cityhub.addresses import broker_for
from cityhub.foreman import Foreman
from cityhub.gateway import DriverPlan, Gateway
from cityhub.settings import OperatorError, load
from cityhub.signals import stop_on_signals
from cityhub.terminal import log_to_stderr, mistakes_told
from edge.journal import JournalBroken, WhenFull

log = structlog.get_logger("cityhub.edge")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line was given; no secret is in it, for everybody on the machine can read it."""

    file: str
    gateway: str
    department: str
    host: str
    port: int
    journal_mb: int
    when_full: WhenFull
    config: str

    def as_argument(self) -> str:
        """For the command line of the process."""
        return orjson.dumps(self).decode()


def run(asked: Asked) -> None:
    """Run the agent until it is told to stop; raises OperatorError."""
    stopping = stop_on_signals()
    file = Path(asked.file) if asked.file else None
    foreman = Foreman.upon(file, os.environ) if file else Foreman(_plain(asked), None, os.environ)
    plan = foreman.outpost.plan
    for name, driver in foreman.outpost.drivers.items():
        status = driver.as_status()
        log.info(
            "edge agent listens", gateway=plan.id, driver=name, at=status.get("port") or status.get("line")
        )
    try:
        foreman.run(stopping)
    except JournalBroken as error:
        raise OperatorError(str(error), "check the disk under the journal") from error
    agent = foreman.outpost.agent
    log.info("edge agent ends", accepted=agent.accepted, kept=agent.publisher.waiting)


def _plain(asked: Asked) -> Gateway:
    """A gateway without a file: JSON lines on one port, for the hub that the settings name."""
    given = load(Path(asked.config) if asked.config else None, os.environ)
    return Gateway(
        id=asked.gateway,
        department=asked.department,
        broker=broker_for(given, asked.gateway),
        user=asked.gateway,
        credential=None,
        ca=None,
        home=given.home / "edge" / asked.gateway,
        journal_mb=asked.journal_mb,
        when_full=asked.when_full,
        hub_key=None,
        capture_mb=16,
        silence_s=900.0,
        deadband={},
        drivers=(DriverPlan("jsonlines", "jsonlines", "listen", asked.host, asked.port),),
    )


def main() -> None:
    """Run what `cityhub edge run` was asked for."""
    log_to_stderr()
    with mistakes_told():
        run(Asked(**orjson.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
