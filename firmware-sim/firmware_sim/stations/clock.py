"""A station's own clock: it runs a little wrong until someone sets it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Clock:
    """Seconds since 1970 as the station believes, from the true ones."""

    offset_s: float = 0.0
    drift_ppm: float = 0.0
    settable: bool = True  # not where a story's time is not the wall clock's
    times_set: int = 0
    _since: float | None = field(default=None, init=False)

    def at(self, true_s: float) -> float:
        """What the station's clock shows."""
        if self._since is None:
            self._since = true_s
        return true_s + self.offset_s + (true_s - self._since) * self.drift_ppm / 1e6

    def set(self, shown_s: float, true_s: float) -> None:
        """Someone sets the clock to a time."""
        self.times_set += 1
        if self.settable:
            self.offset_s = shown_s - true_s
            self._since = true_s
