"""Hub and load as processes, to be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from faults.load import Order, command
from faults.rounds import PATIENCE_S
from fix_hub import wait_for

from cityhub.settings import Settings, as_environment

HUB = [sys.executable, "-P", str(Path(__file__).with_name("hub_program.py"))]


class LoadProcess:
    """A load that runs until it is told to end and everything is committed."""

    def __init__(self, order: Order, log: Path) -> None:
        self.order, self._log = order, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it goes on with the journals and the record of the last one."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command(self.order),
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def works(self) -> None:
        """Wait until it has accepted something more."""
        record = Path(self.order.record)
        before = record.stat().st_size if record.exists() else 0
        wait_for(
            lambda: record.exists() and record.stat().st_size > before + 5_000,
            "the load to accept readings",
            PATIENCE_S,
        )

    def finish(self, timeout_s: float = PATIENCE_S) -> bool:
        """Tell it to end when everything is committed; False, and an end by force, where that does not come."""
        if self.process is None:
            raise RuntimeError("not started")
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s) == 0
        except subprocess.TimeoutExpired:
            self.kill()
            return False


class HubProcess:
    """A hub that is started again whenever it ends, as `cityhub up` does, until it is killed or told to end."""

    def __init__(self, settings: Settings, rules: Path, log: Path, patch: str = "") -> None:
        self._environment = {
            **os.environ,
            **as_environment(settings),
            "CITYHUB_RULES": str(rules),
            "FAULT": patch,
        }
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._ending = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start it; whether what it needs is there is its own trouble."""
        self._ending.clear()
        self._keeper = threading.Thread(target=self._keep, name="hub keeper", daemon=True)
        self._keeper.start()

    def end(self, number: int) -> None:
        """Send it a signal, for the last time, and wait for its end."""
        with self._lock:
            self._ending.set()
            if self._process is not None:
                self._process.send_signal(number)
        if self._keeper is not None:
            self._keeper.join(60)
            if self._keeper.is_alive() and self._process is not None:
                self._process.kill()
                raise RuntimeError("the hub does not end")

    def _keep(self) -> None:
        while True:
            with self._lock, self._log.open("ab") as log:
                if self._ending.is_set():
                    return
                self._process = subprocess.Popen(
                    HUB, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            self._process.wait()
            self._ending.wait(0.3)
