"""As whom a private service runs and what it sees: never as root, in a mount namespace of its own if need be."""

import functools
import os
import pwd
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cityhub.services.errors import ServiceError

# The place in a root filesystem where a service finds its directory; every Debian has it, empty.
INSIDE = Path("/mnt")


@dataclass(frozen=True)
class Account:
    """An unprivileged user of this machine."""

    name: str
    uid: int
    gid: int


def account_for(name: str) -> Account | None:
    """The user a service drops to: the named one if there is one, else ``nobody``; None where we are not root."""
    if os.geteuid() != 0:
        return None
    for candidate in (name, "nobody"):
        try:
            found = pwd.getpwnam(candidate)
        except KeyError:
            continue
        return Account(candidate, found.pw_uid, found.pw_gid)
    raise ServiceError(
        f"Private services never run as root, and this machine has neither a user {name} nor nobody.",
        hint="start CityHub as an ordinary user",
    )


@functools.cache
def mounting_refused() -> str:
    """Why this process may not mount file systems privately; empty when it may."""
    if os.geteuid() != 0:
        return "mounting needs root"
    try:
        tried = subprocess.run(
            [*_NAMESPACE, "mount -t tmpfs tmpfs /mnt"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except FileNotFoundError:
        return "the program unshare is missing"
    return "" if tried.returncode == 0 else f"mounting is not permitted here ({tried.stderr.strip()})"


_NAMESPACE = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]


@dataclass(frozen=True)
class Quarters:
    """Where a service lives: its account, its directory, what else it must reach, and perhaps a root of its own."""

    account: Account | None
    directory: Path
    reach: tuple[Path, ...] = ()
    root: Path | None = None

    @property
    def inside(self) -> Path:
        """The service's directory as the service itself sees it."""
        return INSIDE if self.root else self.directory

    def command(self, argv: Sequence[str]) -> list[str]:
        """Wrap a command so that it runs here; every step replaces the one before, so the pid stays one.

        Raises:
            ServiceError: the account cannot reach a directory it needs, and mounting is not permitted.
        """
        if self.account is None:
            return list(argv)
        drop = [
            "chroot",
            f"--userspec={self.account.uid}:{self.account.gid}",
            f"--groups={self.account.gid}",
            str(self.root or "/"),
            *argv,
        ]
        if self.root:
            mounts = [
                f"mount --bind {_quoted(self.directory)} {_quoted(self.root / INSIDE.relative_to('/'))}",
                f"mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs {_quoted(self.root / 'dev/shm')}",
                # The account is one of this machine; its number may be somebody else's in the root filesystem.
                f"mount --bind /etc/passwd {_quoted(self.root / 'etc/passwd')}",
            ]
        else:
            mounts = self._opened()
        if not mounts:
            return drop
        return [*_NAMESPACE, "\n".join(["set -e", *mounts, 'exec "$@"']), "sh", *drop]

    def _opened(self) -> list[str]:
        """Mounts that lead past directories closed to the account, such as /root, at unchanged paths.

        Over each closed directory lies an empty one that can be entered, holding only what the service needs.
        """
        needed = [path.resolve() for path in (self.directory, *self.reach)]
        closed = {path: self._closed_above(path) for path in needed}
        shades = sorted({shade for shade in closed.values() if shade})
        if not shades:
            return []
        if refused := mounting_refused():
            name = self.account.name if self.account else ""
            raise ServiceError(
                f"User {name} cannot reach {needed[0]}: {shades[0]} is closed to others, and {refused}.",
                hint="choose a state directory such as /var/lib/cityhub, or start CityHub as an ordinary user",
            )
        behind = [path for path in needed if closed[path]]
        lines = [f"exec {number}< {_quoted(path)}" for number, path in enumerate(behind, 3)]
        lines += [f"mount -t tmpfs -o mode=0711,nosuid,nodev tmpfs {_quoted(shade)}" for shade in shades]
        for number, path in enumerate(behind, 3):
            # The path itself is covered by now; the open descriptor still leads to it.
            lines.append(f"mkdir -p {_quoted(path)}")
            lines.append(f"mount -c --bind /proc/self/fd/{number} {_quoted(path)}")
            lines.append(f"exec {number}<&-")
        return ["umask 022", *lines]

    def _closed_above(self, path: Path) -> Path | None:
        """The topmost directory above the path that the account may not enter."""
        return next((up for up in reversed(path.parents) if not self._may_enter(up)), None)

    def _may_enter(self, directory: Path) -> bool:
        state = directory.stat()
        if self.account is None or state.st_uid == self.account.uid:
            return bool(state.st_mode & 0o100)
        return bool(state.st_mode & (0o010 if state.st_gid == self.account.gid else 0o001))

    def give(self, path: Path, mode: int) -> None:
        """Make a file or a directory the service's own."""
        path.chmod(mode)
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def put(self, name: str, text: str) -> None:
        """Write a file of the service's own, whole or not at all; it may hold secrets."""
        draft = self.directory / f"{name}.new"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        self.give(draft, 0o600)
        draft.replace(self.directory / name)

    def give_tree(self, top: Path) -> None:
        """Make everything below a directory the service's own, if another account had it (a copied home)."""
        if not self.account or not top.exists() or top.stat().st_uid == self.account.uid:
            return
        for path in (top, *top.rglob("*")):
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
