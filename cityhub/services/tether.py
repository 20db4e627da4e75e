"""The parent's end of a private service: one start at a time on a home, and an end that comes with ours."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from cityhub.services import lifeline
from cityhub.services.errors import ServiceError

# A lifeline whose parent was killed may need this long until its service has written everything.
WAIT_FOR_LIFELINE_S = 45.0


def alive(pid: int, started: str) -> bool:
    """Whether the process that had this pid and start time still runs (a zombie does not)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] not in {"Z", "X"} and fields[19] == started


def end(pid: int, started: str, stop_signal: int, grace_s: float) -> None:
    """End a process that is not our child: ask, wait, insist."""
    for number, patience_s in ((stop_signal, grace_s), (signal.SIGKILL, 10.0)):
        if not alive(pid, started):
            return
        os.kill(pid, number)
        limit = time.monotonic() + patience_s
        while alive(pid, started) and time.monotonic() < limit:
            time.sleep(0.02)


@dataclass
class Claim:
    """The right to run one service on a home, held as a file lock by us and by the lifeline."""

    name: str
    run: Path
    descriptor: int

    @property
    def pidfile(self) -> Path:
        """Where the lifeline leaves the service's pid."""
        return self.run / f"{self.name}.pid"

    def release(self) -> None:
        """Let the next start have it; doing so twice is harmless."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def claim(run: Path, name: str, *, stop_signal: int, grace_s: float) -> Claim:
    """Take the home's service for this process, and end what a killed predecessor left running.

    Raises:
        ServiceError: another hub that lives has it.
    """
    path = run / f"{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    limit = time.monotonic() + WAIT_FOR_LIFELINE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = path.read_text().split()
            if len(holder) == 2 and alive(int(holder[0]), holder[1]):  # noqa: PLR2004 - pid and start time
                os.close(descriptor)
                raise ServiceError(
                    f"The private {name} in {run.parent} is already running as pid {holder[0]}.",
                    hint=f"stop process {holder[0]}, or choose another state directory",
                ) from None
            if time.monotonic() > limit:
                os.close(descriptor)
                raise ServiceError(
                    f"The private {name} in {run.parent} is still ending from its last run.",
                    hint="try again in a minute",
                ) from None
            time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {lifeline.started(os.getpid())}\n".encode(), 0)
    claimed = Claim(name, run, descriptor)
    orphan = claimed.pidfile.read_text().split() if claimed.pidfile.exists() else []
    if len(orphan) == 2:  # noqa: PLR2004 - pid and start time
        end(int(orphan[0]), orphan[1], stop_signal, grace_s)
    claimed.pidfile.unlink(missing_ok=True)
    return claimed


class Tether:
    """A running service that ends with us, whichever way we end."""

    def __init__(
        self, claimed: Claim, command: Sequence[str], *, stop_signal: int, grace_s: float, log: IO[bytes]
    ) -> None:
        """Start the command under a lifeline, its output going to the log."""
        self._claim = claimed
        self._stop_signal = stop_signal
        self._grace_s = grace_s
        self._lock = threading.Lock()
        # Neither end is inherited by other children of ours (PEP 446): the write end closes with this process.
        read_end, self._pipe = os.pipe()
        self._lifeline = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", lifeline.__file__),
                *(str(read_end), str(claimed.pidfile), str(int(stop_signal)), str(grace_s)),
                *command,
            ],
            pass_fds=(read_end, claimed.descriptor),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            # Out of the terminal's reach: Ctrl-C is for the hub, which stops its services when it has drained.
            start_new_session=True,
            cwd="/",
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        )
        os.close(read_end)
        with cast("IO[bytes]", self._lifeline.stdout) as told:
            line = told.readline()
        self.pid = int(line) if line else 0
        try:
            self._started = lifeline.started(self.pid) if line else ""
        except (FileNotFoundError, ProcessLookupError):  # it has ended already: `alive` will say so
            self._started = ""

    def alive(self) -> bool:
        """Whether the service still runs."""
        return alive(self.pid, self._started)

    def end(self) -> None:
        """End the service and keep the claim, for another try; later calls do nothing."""
        with self._lock:
            if self._pipe < 0:
                return
            os.close(self._pipe)
            self._pipe = -1
            try:
                self._lifeline.wait(self._grace_s + 15)
            except subprocess.TimeoutExpired:
                self._lifeline.kill()
                self._lifeline.wait()
            # Only where the lifeline was killed is there still something to end.
            end(self.pid, self._started, self._stop_signal, self._grace_s)
            self._claim.pidfile.unlink(missing_ok=True)

    def stop(self) -> None:
        """End the service and give its home free; later calls do nothing."""
        self.end()
        self._claim.release()

    def kill(self) -> None:
        """End the service by kill -9, as a fault test does, and give its home free."""
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
        self.stop()
