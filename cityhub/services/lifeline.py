"""Runs one service and ends it once the parent's end of a pipe closes, be it by kill -9 of the parent.

Started as ``python -I -S lifeline.py PIPE PIDFILE SIGNAL GRACE COMMAND...``: needs the standard library only.
Prints the service's pid on its standard output; the service's own output goes to standard error.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType


def started(pid: int) -> str:
    """When a process started, in clock ticks since boot: with the pid it names one process only."""
    # The command's name may hold blanks and brackets: count from the last bracket.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def write_pid(pidfile: Path, pid: int) -> None:
    """Leave the service's pid for the next start, should this process be killed."""
    draft = pidfile.with_suffix(".new")
    draft.write_text(f"{pid} {started(pid)}\n")
    draft.replace(pidfile)


def end(service: "subprocess.Popen[bytes]", stop_signal: int, grace_s: float, wakeup: int) -> None:
    """Ask the service to stop, wait, then insist."""
    if service.poll() is None:
        service.send_signal(stop_signal)
    limit = time.monotonic() + grace_s
    while service.poll() is None and (left := limit - time.monotonic()) > 0:
        select.select([wakeup], [], [], left)
        drain(wakeup)
    service.kill()
    service.wait()


def drain(wakeup: int) -> None:
    """Empty the wakeup pipe; it is empty already where a wait ran out of time."""
    with contextlib.suppress(BlockingIOError):
        os.read(wakeup, 64)


def wake(_signal: int, _frame: FrameType | None) -> None:
    """Do nothing: the wakeup descriptor has done it. A handler, unlike SIG_IGN, is not inherited."""


def main(pipe: int, pidfile: Path, stop_signal: int, grace_s: float, command: list[str]) -> int:
    """Run the command until it ends or the pipe closes; return its exit status."""
    wakeup, signalled = os.pipe()
    os.set_blocking(wakeup, False)
    os.set_blocking(signalled, False)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    # The hub drains before it lets go of its services: a signal to the whole group must not overtake it.
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, wake)
    service = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        write_pid(pidfile, service.pid)
        print(service.pid, flush=True)  # noqa: T201 - standard output is how the parent learns the pid
        while service.poll() is None:
            readable, _, _ = select.select([pipe, wakeup], [], [])
            if pipe in readable:
                break
            drain(wakeup)
    finally:
        end(service, stop_signal, grace_s, wakeup)
    pidfile.unlink(missing_ok=True)
    return service.returncode if service.returncode >= 0 else 128 - service.returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]))
