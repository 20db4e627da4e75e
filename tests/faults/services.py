"""Broker and database, killed and started again at the same address."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from fix_hub import House

from cityhub.services import Database, start_broker, start_database


def kill_broker(house: House, *, wiped: bool) -> None:
    """Kill -9; `wiped`: nothing is left of what it had acknowledged."""
    house.broker.kill()
    if wiped:
        shutil.rmtree(house.home / "broker" / _kind(house) / "store")


def start_broker_again(house: House) -> None:
    """A new one on what the last one has left."""
    house.broker = start_broker(
        house.home, prefer="nats" if _kind(house) == "nats" else "mosquitto", any_device=True
    )
    house._stack.callback(house.broker.stop)


def _kind(house: House) -> str:
    return "nats" if "nats" in house.broker.version else "mosquitto"


class Own:
    """A database server of one test alone."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.server: Database = start_database(home)

    def kill(self, *, at_once: bool = False) -> None:
        """Kill -9 of the postmaster, or PostgreSQL's immediate stop."""
        if at_once:
            os.kill(self.server.pid, signal.SIGQUIT)
        self.server.kill()

    def start(self) -> None:
        """Start it again, with the recovery that follows."""
        self.server = start_database(self.home)
