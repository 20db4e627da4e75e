"""A Debian 13 root filesystem with PostgreSQL 17 and TimescaleDB, made once per machine."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from cityhub.services.quarters import mounting_refused

# Outside every checkout and state directory: it is 0.5 GB, holds no data and serves every home of the machine.
CACHE = Path("/var/cache/cityhub/trixie-timescaledb")

_PACKAGES_SCRIPT = Path(__file__).parents[2] / "deploy" / "debian-packages.sh"
_NEEDED_BYTES = 1_200_000_000
_INSTALL_S = 600
# What mmdebstrap says about its steps, in the operator's words.
_STEPS = {
    "running apt-get update": "reading Debian's package lists",
    "downloading packages": "downloading packages",
    "installing essential packages": "installing the base system",
    "installing remaining packages": "installing PostgreSQL and TimescaleDB",
}


class Unavailable(Exception):
    """This kind of database cannot be had here; the message says why."""


def obtain(progress: Callable[[str], None], cache: Path = CACHE) -> Path:
    """Return the root filesystem, making it first if this machine has none.

    Raises:
        Unavailable: it cannot be made or used here.
    """
    if os.geteuid() != 0:
        raise Unavailable("the Debian 13 root filesystem needs root")
    if refused := mounting_refused():
        raise Unavailable(f"the Debian 13 root filesystem needs mounting: {refused}")
    if complete(cache):
        return cache
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with (cache.parent / f"{cache.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress("Another start is making the database's root filesystem: waiting for it.")
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not complete(cache):
                _make(cache, lock.fileno(), progress)
    except OSError as error:
        raise Unavailable(f"{cache.parent} cannot be used: {error.strerror}") from error
    return cache


def complete(root: Path) -> bool:
    """Whether the directory holds a PostgreSQL with TimescaleDB."""
    return bool(list(root.glob("usr/share/postgresql/*/extension/timescaledb.control")))


def _make(cache: Path, lock: int, progress: Callable[[str], None]) -> None:
    if not shutil.which("mmdebstrap"):
        _install_mmdebstrap(progress)
    if (free := shutil.disk_usage(cache.parent).free) < _NEEDED_BYTES:
        raise Unavailable(f"{cache.parent} has {free // 1_000_000} MB free, and 1,200 MB are needed")
    # The lock is ours and nobody builds: what lies here was left by a build that was killed.
    for left in cache.parent.glob(f"{cache.name}.*.part"):
        subprocess.run(["rm", "-rf", "--one-file-system", str(left)], check=True)
    part = cache.parent / f"{cache.name}.{os.getpid()}.part"
    progress("Making the database's root filesystem (Debian 13, once per machine, about half a minute).")
    complaints: list[str] = []
    with subprocess.Popen(
        [
            *("mmdebstrap", "--variant=essential", "--include=postgresql-17-timescaledb"),
            *("trixie", str(part)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # If we are killed, it keeps the lock until it is done.
        pass_fds=(lock,),
    ) as making:
        for line in making.stderr or ():
            for begins, sentence in _STEPS.items():
                if begins in line:
                    progress(f"Root filesystem: {sentence}.")
            if re.match(r"E: ", line):
                complaints.append(line.strip().removeprefix("E: "))
    if making.returncode != 0 or not complete(part):
        subprocess.run(["rm", "-rf", "--one-file-system", str(part)], check=True)
        why = complaints[0] if complaints else f"exit status {making.returncode}"
        raise Unavailable(f"mmdebstrap could not make the Debian 13 root filesystem ({why})")
    part.chmod(0o755)
    if cache.exists():  # incomplete: whoever made it was not this function
        subprocess.run(["rm", "-rf", "--one-file-system", str(cache)], check=True)
    part.rename(cache)


def _install_mmdebstrap(progress: Callable[[str], None]) -> None:
    if not _PACKAGES_SCRIPT.exists() or not shutil.which("apt-get"):
        raise Unavailable("mmdebstrap is not installed")
    progress("Installing the Debian package mmdebstrap.")
    try:
        done = subprocess.run(
            ["sh", str(_PACKAGES_SCRIPT), "mmdebstrap"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALL_S,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable("installing mmdebstrap took too long") from error
    if done.returncode != 0 or not shutil.which("mmdebstrap"):
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Unavailable(f"mmdebstrap could not be installed ({' '.join(last)})")
