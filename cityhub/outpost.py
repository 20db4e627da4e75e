"""An outpost: one gateway's agent put together from its plan; drivers, journal, publisher, health, status."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from importlib.metadata import version
from typing import Any

import orjson
import structlog

from cityhub import drivers
from cityhub.drivers import Driver, Unopened
from cityhub.gateway import DriverPlan, Gateway, PicturePlan, credential
from cityhub.settings import OperatorError
from edge.agent import Agent
from edge.capture import Capture
from edge.command import write_durably
from edge.drivers.conversation import Watch
from edge.drivers.dialogue import Note
from edge.drivers.kept import Kept
from edge.exception import ByException, Rule
from edge.health import Health
from edge.journal import JournalBroken, JournalFull
from edge.link import Address
from edge.notes import Notes, event
from edge.pictures import Pictures
from edge.reading import now_us

log = structlog.get_logger("cityhub.edge")

STATUS_S = 10.0
LINKS_EVENT_S = 900.0
LINKS_TOLD, STATIONS_TOLD = 200, 500  # in one message; the status file has them all
RESTART_PAUSE_S = (1.0, 60.0)
DAY_S = 86_400.0
STATUS = "status.json"


class Outpost:
    """Runs one plan. `tend` is called by the main thread, which alone starts and stops what is inside."""

    def __init__(
        self,
        plan: Gateway,
        environment: Mapping[str, str],
        command: Callable[[bytes], None] | None = None,
        *,
        partly: bool = False,
    ) -> None:
        """Raises OperatorError, JournalTaken; then nothing is left open.

        `partly`: a driver that cannot be opened is told of and tried again and again, and the others run.
        """
        self.plan = plan
        self.notes = Notes()
        self.pictures = _pictures(plan.pictures) if plan.pictures else None
        self.watch = Watch(self.notes.take, kept=Kept(plan.home / "kept"), pictures=self.pictures)
        self.drivers: dict[str, Driver] = {}
        self._began_us = now_us()
        self._pauses: dict[
            str, tuple[float, float]
        ] = {}  # a driver that failed: when it is tried again, after what
        self._status_at = 0.0
        self._closed = False
        self._links_at = time.monotonic() + LINKS_EVENT_S
        with ExitStack() as stack:
            self.agent = Agent(
                plan.home,
                address(plan, environment),
                plan.department,
                plan.id,
                limit_bytes=plan.journal_mb << 20,
                when_full=plan.when_full,
                birth=self.birth,
                command=command if plan.hub_key else None,
            )
            stack.callback(self.agent.close)
            rule = Rule(plan.deadband, round(plan.silence_s * 1e6))
            self._by_exception = ByException(self.agent.accept, rule) if plan.deadband else None
            for each in plan.drivers:
                self.drivers[each.name] = self._begin(each) if partly else self._make(each)
                stack.callback(self.drivers[each.name].close)
            stack.pop_all()
        self._health = Health(
            self.agent, lambda: list(self.drivers.values()), self.notes, lambda: self.suppressed
        )

    @property
    def suppressed(self) -> int:
        """Readings that report by exception has held back."""
        return self._by_exception.suppressed if self._by_exception else 0

    def start(self) -> None:
        """Begin to hear and to send."""
        self.agent.start()
        for driver in self.drivers.values():
            driver.start()
        self._health.start()

    def tend(self) -> None:
        """See to what has failed, and write the status where it is time; raises JournalBroken."""
        now = time.monotonic()
        for plan in self.plan.drivers:
            self._tend_driver(plan, now)
        if now >= self._status_at:
            self._status_at = now + STATUS_S
            self._write_status()
        if now >= self._links_at:
            self._links_at = now + LINKS_EVENT_S
            self.tell_links()
            if self.pictures:
                self.pictures.tidy()

    def restart(self, name: str) -> None:
        """End a driver and begin it anew; raises KeyError where there is none, OperatorError where it cannot be had."""
        plan = next((each for each in self.plan.drivers if each.name == name), None)
        if plan is None:
            raise KeyError(name)
        before = self.drivers[name]
        before.close()
        try:
            self.drivers[name] = self._make(plan)
        except OperatorError as error:
            before.fault = error  # so that it is tried again
            raise
        self.drivers[name].start()
        self._pauses.pop(name, None)

    def capture(self, *, on: bool) -> str:
        """Begin or end the capture of all links; where its file is."""
        path = self.plan.home / "capture" / "wire.cap"
        before = self.watch.capture
        if on and before is None:
            self.watch.capture = Capture(path, self.plan.capture_mb << 20)
        elif not on and before is not None:
            self.watch.capture = None
            before.close()
        return str(path)

    def birth(self) -> dict[str, Any]:
        """What the retained status tells: version, drivers, stations."""
        return {
            "version": version("cityhub"),
            "since": self._began_us // 1_000,
            "drivers": [
                {
                    "name": plan.name,
                    "kind": plan.kind,
                    plan.way: plan.where,
                    "stations": sorted(set(plan.stations.values()))[:STATIONS_TOLD],
                    "listed": len(plan.stations),
                }
                for plan in self.plan.drivers
            ],
            "commands": self.plan.hub_key is not None,
        }

    def as_status(self) -> dict[str, Any]:
        """All that the status file holds."""
        return {
            "gateway": self.plan.id,
            "department": self.plan.department,
            "version": version("cityhub"),
            "at_us": now_us(),
            "since_us": self._began_us,
            "connected": self.agent.publisher.connected,
            "accepted": self.agent.accepted,
            "waiting": self.agent.publisher.waiting,
            "dropped": self.agent.journal.dropped,
            "damaged": self.agent.journal.damaged,
            "suppressed": self.suppressed,
            "capture": self.watch.capture is not None,
            "pictures": self.pictures.as_status() if self.pictures else None,
            "drivers": self._told(),
        }

    def tell_links(self) -> bool:
        """Say as an event what each driver and its links have come to."""
        told = self._told()
        for driver in told:
            links = driver.pop("links")
            driver["open"] = len(links)
            driver["links"] = [
                {
                    **{key: each[key] for key in ("link", "last_heard_us", "frames", "refused")},
                    "stations": each["stations"][:5],
                }
                for each in links[:LINKS_TOLD]
            ]
        return self.agent.publisher.say("event", event("links", {"drivers": told}))

    def close(self) -> None:
        """End in order: nothing new is heard, what was held back is kept, the publisher says goodbye."""
        if self._closed:
            return
        self._closed = True
        self._health.close()
        for driver in self.drivers.values():
            driver.close()
        if self._by_exception is not None:
            with suppress(JournalFull, JournalBroken):  # then it stays what it was: suppressed
                self._by_exception.flush()
        if self.watch.capture is not None:
            self.watch.capture.close()
        self._write_status()
        self.notes.tell(self.agent.publisher.say)  # what is not told now is told never
        self.agent.close()

    def _told(self) -> list[dict[str, Any]]:
        """Each driver's status, with its fault where it has one."""
        return [
            {"name": name, **driver.as_status(), **({"fault": str(driver.fault)} if driver.fault else {})}
            for name, driver in self.drivers.items()
        ]

    def _begin(self, plan: DriverPlan) -> Driver:
        try:
            return self._make(plan)
        except OperatorError as error:
            log.warning("driver cannot begin", driver=plan.name, reason=str(error))
            return Unopened(plan, error)

    def _make(self, plan: DriverPlan) -> Driver:
        accept = self._by_exception.accept if self._by_exception else self.agent.accept
        return drivers.make(plan, accept, self.watch)

    def _tend_driver(self, plan: DriverPlan, now: float) -> None:
        driver = self.drivers[plan.name]
        if driver.fault is None:
            return
        if isinstance(driver.fault, JournalBroken):
            raise driver.fault
        again, pause = self._pauses.get(plan.name, (0.0, RESTART_PAUSE_S[0] / 2))
        if not again:
            pause = min(2 * pause, RESTART_PAUSE_S[1])
            self._pauses[plan.name] = (now + pause, pause)
            self.notes.take(plan.name, Note(plan.name, "driver-fault", repr(driver.fault)))
            log.warning("driver has failed", driver=plan.name, reason=str(driver.fault), again_in_s=pause)
        elif now >= again:
            log.warning("driver begun anew after a fault", driver=plan.name)
            try:
                self.restart(plan.name)
            except OperatorError as error:
                log.warning("driver cannot begin", driver=plan.name, reason=str(error))
                self._pauses[plan.name] = (now + pause, min(2 * pause, RESTART_PAUSE_S[1]))
                return
            self._pauses[plan.name] = (0.0, pause)

    def _write_status(self) -> None:
        try:
            write_durably(self.plan.home / STATUS, orjson.dumps(self.as_status()), mode=0o644)
        except OSError as error:
            log.warning("status not written", reason=str(error))


def _pictures(asked: PicturePlan) -> Pictures:
    try:
        return Pictures(asked.folder, asked.files, asked.mb << 20, asked.days * DAY_S)
    except OSError as error:
        raise OperatorError(
            f"the folder of the pictures {asked.folder!s:.200} cannot be read: {error.strerror}",
            "name another as pictures.folder, or give it to the user that the gateway runs as",
        ) from error


def address(plan: Gateway, environment: Mapping[str, str]) -> Address:
    """The broker with our name and password; raises OperatorError."""
    found = Address(plan.broker, plan.ca)
    if found.password is None:
        user, password = credential(plan, environment)
        if password:
            found.user, found.password = user, password
    try:
        found.context()
    except OSError as error:
        raise OperatorError(
            f"cannot use the certificates {plan.ca}: {error}", "give a PEM file as ca"
        ) from error
    return found
