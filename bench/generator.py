"""The bench's end of a generator process: its orders, its allowance, its last word."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from bench.errors import BenchError

GRACE_S = 90.0


class Generator:
    """A module of ours that runs as a process: takes JSON lines, prints one JSON line at its end."""

    def __init__(self, module: str, **order: object) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        # On the pipe and not on the command line: the address holds a password.
        self.tell(**order)

    @property
    def pid(self) -> int:
        """Whose CPU time is the generator's."""
        return self._process.pid

    def tell(self, **words: object) -> None:
        """Change the order; raises BenchError when nobody is there to hear it."""
        stdin = self._process.stdin
        if stdin is None or self._process.poll() is not None:
            raise BenchError(f"{self._module} has ended by itself", "see its traceback above")
        stdin.write(json.dumps(words) + "\n")
        stdin.flush()

    def await_ready(self) -> None:
        """Wait for its first line."""
        if self._process.stdout is None or not self._process.stdout.readline():
            raise BenchError(f"{self._module} does not start", "see its traceback above")

    def finish(self) -> dict[str, Any]:
        """Let it end; what it says of itself. Raises BenchError."""
        said, _ = self._process.communicate(timeout=GRACE_S)
        if self._process.returncode or not said:
            raise BenchError(
                f"{self._module} ended with {self._process.returncode}", "see its traceback above"
            )
        return dict(json.loads(said.splitlines()[-1]))

    def kill(self) -> None:
        """End it, whatever it does; harmless when it has ended."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
