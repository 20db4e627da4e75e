"""What a station remembers of its sensors: the last values, and 5-minute values for the hour's report."""

from __future__ import annotations

from collections.abc import Mapping

SLOT_S = 300
HOUR_SLOTS = 12
KEPT = 12 * 25  # a day and an hour


class Memory:
    """Samples by the station's own clock: instant values, and rain gathered into 5-minute slots."""

    def __init__(self) -> None:
        self.last: dict[str, float] = {}
        self._slots: dict[int, dict[str, float]] = {}
        self._marked = -1  # the slot that has its value of the minute in which it ends

    def keep(self, shown_s: float, values: Mapping[str, float]) -> None:
        """Take a sample. A slot is named by its end; `rain` is summed in it, of all else the last stays.

        The minute in which a slot ends is of the slot, and its first sample is the slot's value: a timed report of
        that minute tells the same one, and two reports must not contradict each other.
        """
        self.last = dict(values)
        minute = int(shown_s) // 60 * 60
        end = -(-minute // SLOT_S) * SLOT_S
        slot = self._slots.setdefault(end, {})
        rain = slot.get("rain", 0.0) + values.get("rain", 0.0)
        if minute < end or self._marked != end:
            slot.update(values)
        if minute == end:
            self._marked = end
        if "rain" in values:
            slot["rain"] = rain
        while len(self._slots) > KEPT:
            self._slots.pop(next(iter(self._slots)))

    def slots(
        self, metric: str, last_s: int, count: int = HOUR_SLOTS, step: int = 1
    ) -> tuple[float | None, ...]:
        """Values of a metric in slots that end at `last_s` and before; None where nothing was sampled."""
        ends = range(last_s - (count - 1) * SLOT_S * step, last_s + 1, SLOT_S * step)
        return tuple(self._slots.get(end, {}).get(metric) for end in ends)

    def forget(self) -> None:
        """RAM is gone."""
        self.last = {}
        self._slots = {}
        self._marked = -1
