"""Child processes of `up` and `demo`: started apart from the terminal, restarted when they die, ended with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cityhub.services import lifeline

GRACE_S = 20.0
RESTART_PAUSE_S = (0.5, 30.0)


class Child:
    """One part of the running hub under a lifeline: it ends with this process, however this process ends."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], home: Path) -> None:
        self.name = name
        self.restarts = 0
        self.log = home / "run" / f"{name}.log"
        self._pidfile = home / "run" / f"{name}.pid"
        self._command, self._environment = list(command), dict(environment)
        self._pause, self._not_before = RESTART_PAUSE_S[0], 0.0
        self.start()

    def start(self) -> None:
        """Start the process."""
        self._pidfile.parent.mkdir(parents=True, exist_ok=True)
        reads, self._writes = os.pipe()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", lifeline.__file__, str(reads), str(self._pidfile)),
                    *(str(int(signal.SIGTERM)), str(GRACE_S), *self._command),
                ],
                pass_fds=(reads,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        os.close(reads)
        self._started = time.monotonic()

    def tend(self) -> None:
        """Start it again if it has died; the longer it lives, the sooner."""
        if self._process.poll() is None:
            return
        now = time.monotonic()
        if self._not_before == 0.0:
            lasted = now - self._started
            self._pause = (
                RESTART_PAUSE_S[0]
                if lasted > RESTART_PAUSE_S[1]
                else min(2 * self._pause, RESTART_PAUSE_S[1])
            )
            self._not_before = now + self._pause
        if now >= self._not_before:
            self._not_before = 0.0
            os.close(self._writes)
            self.restarts += 1
            self.start()

    @property
    def code(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    @property
    def pid(self) -> int:
        """The process itself, not its lifeline."""
        return int(self._pidfile.read_text().split()[0])

    def last_words(self, lines: int = 12) -> str:
        """The end of what it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> int:
        """Ask it to end, wait for it; its exit status."""
        os.close(self._writes)
        try:
            return self._process.wait(GRACE_S + 15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def command(*arguments: str) -> list[str]:
    """A `cityhub` command line that runs this very installation, whatever the current directory holds."""
    return [sys.executable, "-P", "-m", "cityhub.cli", *arguments]
