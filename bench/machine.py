"""The machine: what carried a measurement, and the CPU time that each process took."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the command's name: parent; user and system time, own and of children waited for.
PARENT, OWN, WAITED_FOR = 1, (11, 12), (13, 14)


def describe(broker: str, database: str) -> dict[str, object]:
    """Name the machine, as every result does."""
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(memory) / 1024**2, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "broker": broker,
        "database": database,
        "load_before": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def busy_s() -> float:
    """CPU seconds that this machine has been busy for anybody, all cores together."""
    user, nice, system, _idle, _wait, irq, soft, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + soft + steal) * TICK_S


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children, those that have ended included."""
    fields = _stat(pid)
    if fields is None:
        return 0.0
    spent = sum(int(fields[place]) for place in (*OWN, *WAITED_FOR))
    for entry in Path("/proc").glob("[0-9]*"):
        child = _stat(int(entry.name))
        if child is not None and int(child[PARENT]) == pid:
            spent += sum(int(child[place]) for place in OWN)
    return spent * TICK_S


def resident_mb(pid: int, *, peak: bool = False) -> float:
    """Memory of a process that is resident now, or was at most, in megabytes of 2**20 bytes."""
    name = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


class Meter:
    """CPU seconds of named processes between `begin` and `read`; `others` is what the rest of the machine took."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._from = self._look()

    def read(self) -> dict[str, float]:
        """What each has taken since this was made."""
        spent = {name: round(now - self._from[name], 3) for name, now in self._look().items()}
        # Ticks are counted apart for the whole and for its parts: a small difference below zero is nothing.
        spent["others"] = round(max(spent.pop("all") - sum(spent.values()), 0.0), 3)
        return spent

    def _look(self) -> dict[str, float]:
        return {**{name: cpu_s(pid) for name, pid in self._pids.items()}, "all": busy_s()}
