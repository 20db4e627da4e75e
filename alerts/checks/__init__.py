"""Kernels that judge every reading while it passes; state by slot, the same for one-by-one and batched feeding."""

from contextlib import suppress
from pathlib import Path


def _forget_stale() -> None:
    """Drop compiled kernels that are older than any source here.

    A kernel is compiled together with the functions that it calls, but numba's cache watches only the kernel's own
    file: after a change elsewhere it would run the old code.
    """
    folder = Path(__file__).parent
    changed = max(path.stat().st_mtime for path in folder.glob("*.py"))
    for index in (folder / "__pycache__").glob("*.nbi"):
        with suppress(FileNotFoundError):  # another process is doing the same
            if index.stat().st_mtime < changed:
                index.unlink()


_forget_stale()
