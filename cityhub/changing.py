"""The outpost that runs, and how another takes its place: tried, kept, watched while it is young, taken back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from cityhub import trial
from cityhub.gateway import Gateway
from cityhub.outpost import Outpost
from cityhub.settings import OperatorError
from edge.reading import now_us

log = structlog.get_logger("cityhub.edge")

TURN_S = 0.1
AGAIN_S = 5.0
WITHIN_S = (60.0, 5.0, 600.0)  # for a new configuration to reach the broker: default, least, most
LOST_S = (
    900.0,
    60.0,
    86_400.0,
)  # without its broker, after which the one before is tried: default, least, most
YOUNG_US = 86_400_000_000  # it is watched for so long

Tell = Callable[[str, str], None]
"""The order of a configuration that was taken back later on, and why."""


class Changing:
    """Belongs to the main thread."""

    def __init__(
        self,
        plan: Gateway,
        file: Path | None,
        environment: Mapping[str, str],
        command: Callable[[bytes], None],
        tell: Tell,
        *,
        sent: bool = False,
    ) -> None:
        """`sent`: the plan is what the hub has sent upon `file`; of it runs what can be opened.

        Raises OperatorError, JournalTaken.
        """
        self._file, self._environment, self._command, self._tell = file, environment, command, tell
        self.stopping = threading.Event()
        # What the hub has sent and runs; None: the file's own runs.
        self._text, self.standby = trial.sent(plan.home) if sent else (None, None)
        self._reached_at = time.monotonic()
        self.outpost = Outpost(plan, environment, command, partly=sent)

    def asked(self, arguments: Mapping[str, Any]) -> tuple[str, float, float]:
        """The text of a new configuration, `within_s` and `lost_s`; raises ValueError."""
        text = arguments.get("configuration")
        if not isinstance(text, str):
            raise ValueError("configuration must be the text of a gateway's file")  # noqa: TRY004 -- a value, not a bug
        if self._file is None:
            raise ValueError(
                "this gateway was started without a file; start it with one to configure it from here"
            )
        lost = arguments.get("lost_s", LOST_S[0])
        never = str(lost) in {"0", "0.0"}
        return (
            text,
            _seconds("within_s", arguments.get("within_s", WITHIN_S[0]), WITHIN_S),
            0.0 if never else _seconds("lost_s", lost, LOST_S, ", or 0: never"),
        )

    def change(self, plan: Gateway, text: str, order: str, within_s: float, lost_s: float) -> None:
        """Run a new plan and keep it; raises RolledBack where it does not do, and then the one before runs again."""
        before = self.outpost.plan
        standby = self.standby
        if trial.leads_elsewhere(plan, before):
            until_us = now_us() + YOUNG_US
            standby = trial.Standby(self._text, order, lost_s, until_us) if lost_s else None
        trial.begin(before.home, order)
        fault = self._try(plan, within_s) or self._keep(before.home, text, standby)
        if not fault:
            self._text, self.standby, self._reached_at = text, standby, time.monotonic()
            return
        self._go_back(before)
        if not self.stopping.is_set():  # else the mark stays, and the next start tells of it
            trial.give_up(before.home)
        raise trial.RolledBack(f"back to the configuration before: {fault}")

    def look_after(self) -> None:
        """Where the broker of a young configuration is gone for good, the one before may reach its own.

        Which of the two is wrong nobody here can know: whichever reaches a broker runs. So an outage of both takes
        nothing back, and a broker that was given up for another is asked for one day and not for ever.
        """
        now, standby = time.monotonic(), self.standby
        if standby is None or self._file is None:
            return
        if self.outpost.agent.publisher.connected:
            self._reached_at = now
            if now_us() > standby.until_us:
                self._outlive()
        elif now - self._reached_at >= standby.lost_s:
            self._try_standby(standby, self._file)
            self._reached_at = time.monotonic()

    def _outlive(self) -> None:
        """It is young no more: nothing stands by, nor does it after a restart in years to come."""
        self.standby = None
        try:
            trial.outlived(self.outpost.plan.home)
        except OSError as error:  # the next start that reaches the broker tries it again
            log.warning("that nothing stands by cannot be kept", reason=str(error.strerror))

    def _try_standby(self, standby: trial.Standby, file: Path) -> None:
        young = self.outpost.plan
        try:
            before = trial.before(file, standby)
        except OperatorError as error:
            log.warning("the configuration before cannot be had any more", reason=str(error))
            self.standby = None
            return
        log.warning("no broker, trying the configuration before", lost_s=standby.lost_s)
        if fault := self._try(before, WITHIN_S[0], partly=True):
            log.warning("the configuration before reaches none either", reason=fault)
            self._go_back(young)
            return
        try:
            trial.keep(before.home, standby.text, file)
        except OSError as error:  # it runs all the same; the next start tries the young one again
            log.warning("that the configuration before runs cannot be kept", reason=str(error.strerror))
        self._text, self.standby = standby.text, None
        why = f"its broker was not reached for {standby.lost_s:g} s, and that of the configuration before was"
        self._tell(standby.order, f"back to the configuration before: {why}")

    def _go_back(self, before: Gateway) -> None:
        """Run again what ran before, tried until it runs: what it needs was there a minute ago."""
        while not self.stopping.is_set():
            try:
                self.outpost = Outpost(before, self._environment, self._command, partly=True)
            except Exception as error:  # a gateway that has given up cannot be reached to be mended
                log.exception("the configuration before cannot be run, trying again", reason=str(error))
                self.stopping.wait(AGAIN_S)
            else:
                self.outpost.start()
                return

    def _try(self, plan: Gateway, within_s: float, *, partly: bool = False) -> str:
        """Run a plan until it has reached the broker; why it is no good, and then it is closed again."""
        try:
            self.outpost.close()
            self.outpost = Outpost(plan, self._environment, self._command, partly=partly)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the plan before must come back
            return str(error)
        try:
            self.outpost.start()
            ends = time.monotonic() + within_s
            while time.monotonic() < ends and not self.stopping.is_set():
                if self.outpost.agent.publisher.wait_connected(TURN_S):
                    return ""
                self.outpost.tend()
            fault = f"the broker was not reached within {within_s:g} s"
        except Exception as error:  # noqa: BLE001 -- as above
            fault = str(error)
        self.outpost.close()
        return fault

    def _keep(self, home: Path, text: str, standby: trial.Standby | None) -> str:
        """Keep what does; why it cannot be kept, and then it is closed: after a restart it would be gone."""
        try:
            if self._file is not None:
                trial.keep(home, text, self._file, standby)
        except OSError as error:
            self.outpost.close()
            return f"it cannot be kept: {error.strerror}"
        return ""


def _seconds(name: str, given: object, bounds: tuple[float, float, float], more: str = "") -> float:
    try:
        seconds = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a number of seconds") from error
    if not bounds[1] <= seconds <= bounds[2]:
        raise ValueError(f"{name} must be {bounds[1]:g} to {bounds[2]:g}{more}")
    return seconds
