"""The foreman: a gateway's process, which runs its outpost and does what the hub has signed."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import structlog

from cityhub import drivers, trial
from cityhub.changing import TURN_S, Changing
from cityhub.drivers import CLOCKS
from cityhub.gateway import Gateway
from cityhub.outpost import Outpost
from cityhub.settings import OperatorError
from edge import clock
from edge.command import CommandRefused, Guard, Order
from edge.drivers.dialogue import Note
from edge.journal import JournalTaken
from edge.reading import now_us

log = structlog.get_logger("cityhub.edge")

WAITING = 64  # commands not yet looked at; more than any hub sends
REPLIES = 64  # not yet sent, because the broker was away


class Foreman:
    """Runs one gateway. All but `_hand_over` happens in the main thread."""

    def __init__(
        self,
        plan: Gateway,
        file: Path | None,
        environment: Mapping[str, str],
        *,
        sent: bool = False,
    ) -> None:
        """`file`: the operator's own file, which a configuration sent by the hub stands in for: `sent`, if it runs.

        Raises OperatorError, JournalTaken.
        """
        self._inbox: queue.Queue[bytes] = queue.Queue(WAITING)
        self._replies: deque[bytes] = deque(maxlen=REPLIES)
        self._began = time.monotonic()
        self._actions: dict[str, Callable[[Order], dict[str, Any]]] = {
            "ping": self._ping,
            "capture": self._capture,
            "restart-driver": self._restart_driver,
            "set-clock": self._set_clock,
            "set-configuration": self._set_configuration,
        }
        plan.home.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._guard = self._guarded(plan)
        self._changing = Changing(plan, file, environment, self._hand_over, self._taken_back, sent=sent)

    @property
    def outpost(self) -> Outpost:
        """What runs now."""
        return self._changing.outpost

    @classmethod
    def upon(cls, file: Path, environment: Mapping[str, str]) -> Foreman:
        """The gateway of a file, with what the hub has sent in its stead; raises OperatorError, JournalTaken.

        What the hub has sent must not keep the gateway out of the hub's reach: of it runs what can be opened, and where
        it cannot be run at all, the file's own. A person at the machine is told of a mistake in the file at once.
        """
        own, sent, why = trial.chosen(file)
        if sent:
            try:
                return cls(sent, file, environment, sent=True)
            except JournalTaken:
                raise
            except Exception as error:  # noqa: BLE001 -- whatever it is, the gateway must come up
                why = str(error)
        for each in own.drivers:
            drivers.check(file, each)
        foreman = cls(own, file, environment)
        if why:
            log.warning("what the hub has sent cannot be run", reason=why)
            foreman._note("configuration-not-run", f"the file's own runs, not what the hub has sent: {why}")
        return foreman

    def run(self, stopping: threading.Event) -> None:
        """Until told to stop; raises JournalBroken. What the outpost holds is closed in any case."""
        self._changing.stopping = stopping
        self.outpost.start()
        self._tell_of_broken_trial()
        try:
            while not stopping.wait(TURN_S):
                self._turn()
        finally:
            self.outpost.close()

    def _turn(self) -> None:
        self.outpost.tend()
        self._changing.look_after()
        with suppress(queue.Empty):
            self._obey(self._inbox.get_nowait())
        self._send_replies()

    def _hand_over(self, payload: bytes) -> None:
        """Called by the network's thread."""
        try:
            self._inbox.put_nowait(payload)
        except queue.Full:
            self._note("command-refused", "too many commands at once")

    @staticmethod
    def _guarded(plan: Gateway) -> Guard | None:
        if plan.hub_key is None:
            return None
        memory = plan.home / "commands.json"
        try:
            return Guard(plan.id, plan.hub_key, memory)
        except (OSError, ValueError, KeyError, TypeError) as error:
            # Without it a command could be played again, so nothing is obeyed until a person has looked.
            raise OperatorError(
                f"cannot read {memory}, which remembers the commands that were obeyed: {error}",
                "if it is damaged, remove it an hour after the last command was sent",
            ) from error

    def _obey(self, payload: bytes) -> None:
        """Look at one command, do it, and answer."""
        if self._guard is None:
            return
        try:
            order = self._guard.open(payload, now_us() // 1_000)
        except CommandRefused as refusal:
            self._note("command-refused", f"{refusal.code}: {refusal}")
            self._reply(refusal.id, "", "refused", code=refusal.code, reason=str(refusal))
            return
        except OSError as error:  # it cannot be remembered, so it must not be obeyed
            self._note("command-refused", f"disk: {error}")
            self._reply(
                "", "", "refused", code="disk", reason=f"commands cannot be remembered: {error.strerror}"
            )
            return
        action = self._actions.get(order.action)
        if action is None:
            known = ", ".join(self._actions)
            self._reply(order.id, order.action, "refused", code="unknown-action", reason=f"known are {known}")
            return
        log.info("command", id=order.id, action=order.action)
        try:
            result = action(order)
        except trial.RolledBack as back:
            self._reply(order.id, order.action, "rolled-back", code="rolled-back", reason=str(back))
        except (OperatorError, ValueError) as error:
            hint = f" ({error.hint})" if isinstance(error, OperatorError) and error.hint else ""
            self._reply(order.id, order.action, "refused", code="wrong-argument", reason=f"{error}{hint}")
        except Exception as error:
            # A bug in one action must not end the gateway, which the hub could then not reach to mend it.
            log.exception("command fails", action=order.action)
            self._reply(
                order.id, order.action, "failed", code="fault", reason=f"{type(error).__name__}: {error}"
            )
        else:
            self._reply(order.id, order.action, "done", result=result)

    def _reply(self, id_: str, action: str, state: str, **more: Any) -> None:
        told = clock.ask().synchronised
        self._replies.append(
            orjson.dumps(
                {
                    "id": id_,
                    "action": action,
                    "state": state,
                    "ts": now_us() // 1_000,
                    "clock": "unknown" if told is None else "synchronised" if told else "unsynchronised",
                    **more,
                }
            )
        )

    def _note(self, code: str, text: str) -> None:
        self.outpost.notes.take("command", Note(self.outpost.plan.id, code, text))

    def _ping(self, _order: Order) -> dict[str, Any]:
        return {"version": version("cityhub"), "up_s": round(time.monotonic() - self._began)}

    def _capture(self, order: Order) -> dict[str, Any]:
        state = order.arguments.get("state")
        if state not in ("on", "off"):
            raise ValueError("state must be on or off")
        return {"state": state, "file": self.outpost.capture(on=state == "on")}

    def _restart_driver(self, order: Order) -> dict[str, Any]:
        name = str(order.arguments.get("driver"))
        if name not in self.outpost.drivers:
            raise ValueError(f"driver must be one of {', '.join(self.outpost.drivers)}")
        self.outpost.restart(name)
        return {"driver": name}

    def _set_clock(self, order: Order) -> dict[str, Any]:
        if clock.ask().synchronised is False and not order.arguments.get("anyway"):
            raise ValueError(
                "our own clock is not synchronised; anyway=yes sets the station's by it all the same"
            )
        station = str(order.arguments.get("station")).upper()  # addresses are hexadecimal digits
        for plan in self.outpost.plan.drivers:
            told = CLOCKS.get(plan.kind)
            if told and self.outpost.drivers[plan.name].order(station, told(station)):
                return {"station": station, "driver": plan.name}
        raise ValueError(f"no station {station} that can be told the time is connected")

    def _set_configuration(self, order: Order) -> dict[str, Any]:
        text, within_s, lost_s = self._changing.asked(order.arguments)
        plan = trial.allowed(text, self.outpost.plan)
        self._reply(order.id, order.action, "applying", within_s=within_s)
        self._send_replies()
        self._changing.change(plan, text, order.id, within_s, lost_s)
        return {"drivers": [each.name for each in plan.drivers]}

    def _taken_back(self, id_: str, why: str) -> None:
        """A configuration that was kept, and later lost its broker."""
        self._reply(id_, "set-configuration", "rolled-back", code="rolled-back", reason=why)
        self._note("configuration-rolled-back", why)

    def _send_replies(self) -> None:
        while self._replies and self.outpost.agent.publisher.say("reply", self._replies[0]):
            self._replies.popleft()

    def _tell_of_broken_trial(self) -> None:
        """A trial that a crash cut short has left its mark; the file before it is the one that runs now."""
        if id_ := trial.broken(self.outpost.plan.home):
            self._reply(
                id_,
                "set-configuration",
                "rolled-back",
                code="rolled-back",
                reason="the agent ended meanwhile",
            )
            trial.give_up(self.outpost.plan.home)
