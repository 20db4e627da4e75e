"""Drivers put together from a gateway's plan: what each kind's constructor takes is what its options may say."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, Protocol, get_args, get_origin, get_type_hints

from cityhub.gateway import KINDS, POLLERS, DriverPlan
from cityhub.settings import OperatorError
from cityhub.toml_table import Mistake
from edge.drivers.conversation import Ask, Counts, Watch
from edge.drivers.dialogue import Dialogue, MakeDialogue
from edge.drivers.line import Bridge, Line, SerialPort
from edge.drivers.listener import Accept, Listener

SET_CLOCK = 0x4A  # SL 651-2014, appendix B
CLOCKS: dict[str, Callable[[str], Ask]] = {
    "sl651": lambda station: lambda dialogue: dialogue.ask(station.upper(), SET_CLOCK),
}
"""How the stations of a kind are told the time, where they can be."""

OURS = {"stations", "name", "accept", "place", "watch", "kept"}
"""What a constructor is given by us, not by the file."""

BREAK_S = 0.015  # SDI-12 1.4, 7.1: 12 ms wake the sensors
EXTRAS = {"serial", "pymodbus", "nacl", "yaml"}


class Driver(Protocol):
    """What runs a driver may ask of it."""

    kind: str
    fault: Exception | None

    @property
    def refused(self) -> int:
        """Frames that said nothing."""

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End in order."""

    def order(self, station: str, ask: Ask) -> bool:
        """Have a station be asked something; False where it is not connected."""

    def links(self) -> Sequence[object]:
        """The links that are open."""

    def as_status(self) -> dict[str, Any]:
        """For the status file."""


class Unopened:
    """A driver that could not be had: it stands in its place until it can."""

    refused = 0

    def __init__(self, plan: DriverPlan, fault: Exception) -> None:
        self.kind, self.where = plan.kind, plan.where
        self.fault: Exception | None = fault

    def start(self) -> None:
        """Nothing to begin."""

    def close(self) -> None:
        """Nothing to end."""

    def order(self, station: str, ask: Ask) -> bool:
        """No station is connected."""
        del station, ask
        return False

    def links(self) -> Sequence[object]:
        """None."""
        return ()

    def as_status(self) -> dict[str, Any]:
        """For the status file."""
        return {"kind": self.kind, "line": self.where, **Counts().as_status(), "links": []}


def make(plan: DriverPlan, accept: Accept, watch: Watch) -> Driver:
    """The driver of a plan, not yet started; raises OperatorError where it cannot be had."""
    made = _loaded(plan)
    if plan.kind in POLLERS:
        # Loaded by its kind: what it needs comes with the extra "edge".
        place = import_module(made.__module__).Place(plan.host, plan.port, plan.device, plan.baud, plan.frame)
        poller: Driver = made(plan.name, accept, place, **_arguments(plan, made), watch=watch)
        return poller
    dialogue = _dialogue(plan, made, watch)
    if plan.way != "listen":
        return Line(plan.name, accept, dialogue, plan.where, _port(plan), watch=watch)
    try:
        return Listener(
            plan.name,
            accept,
            dialogue,
            plan.host,
            plan.port,
            links=plan.links,
            idle_s=plan.idle_s,
            greeting_s=plan.greeting_s,
            silent_each=plan.silent_each,
            watch=watch,
        )
    except OSError as error:
        raise OperatorError(
            f"cannot listen on {plan.where}: {error.strerror}",
            f"choose another port for the driver {plan.name}",
        ) from error


def check(file: Path, plan: DriverPlan) -> None:
    """Whether the driver is here and its options are such; raises OperatorError. Nothing is opened."""
    try:
        made = _loaded(plan)
        if plan.kind in POLLERS:
            made.check(**_arguments(plan, made))
        else:
            _dialogue(plan, made, Watch())()
    except Mistake:
        raise
    except OperatorError as error:
        raise Mistake(f"{file}: driver {plan.name}: {error}", error.hint) from error
    except (ValueError, TypeError) as error:
        raise Mistake(
            f"{file}: driver {plan.name}: {error}", getattr(error, "hint", "see docs/edge.md")
        ) from error


def _loaded(plan: DriverPlan) -> Any:
    module, name = KINDS[plan.kind].split(":")
    try:
        if plan.way == "serial":
            import_module("serial")
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in EXTRAS:
            raise OperatorError(
                f"the driver {plan.name} needs {error.name}, which is not installed here",
                "pip install 'cityhub[edge]'",
            ) from error
        if error.name != module:
            raise
        raise OperatorError(
            f"this version has no driver {plan.kind}", f"one of {', '.join(KINDS)}"
        ) from error


def _dialogue(plan: DriverPlan, made: Callable[..., Dialogue], watch: Watch) -> MakeDialogue:
    arguments = _arguments(plan, made)
    if prepared := getattr(made, "listed", None):
        arguments["stations"] = prepared(arguments["stations"])
    if "kept" in inspect.signature(made).parameters:
        arguments["kept"] = watch.kept.get

    def begin() -> Dialogue:
        return made(**arguments)

    return begin


def _port(plan: DriverPlan) -> Callable[[], Bridge | SerialPort]:
    if plan.way == "serial":
        break_s = BREAK_S if plan.kind == "sdi12" else 0.0
        return lambda: SerialPort(plan.device, plan.baud, plan.frame, break_s)
    return lambda: Bridge(plan.host, plan.port)


def _arguments(plan: DriverPlan, made: Callable[..., Any]) -> dict[str, Any]:
    """Stations and options, as the constructor names them; raises OperatorError."""
    taken = inspect.signature(made).parameters
    hints = get_type_hints(made.__init__)
    arguments: dict[str, Any] = {}
    if "stations" in taken:
        arguments["stations"] = dict(plan.stations)
    elif plan.stations:
        raise OperatorError(f"{plan.kind} has no stations: they name themselves", "leave its stations out")
    options = {name: each for name, each in taken.items() if name not in OURS}
    for name, value in plan.options.items():
        if name not in options:
            raise OperatorError(
                f"options.{name} is not known", f"known are {', '.join(options) or 'none for this kind'}"
            )
        if not _fits(value, hints.get(name, Any)):
            raise OperatorError(f"options.{name} is {value!r:.60}", f"wanted: {_wanted(hints[name])}")
        arguments[name] = value
    for name, each in options.items():
        if each.default is inspect.Parameter.empty and name not in arguments:
            raise OperatorError(f"options.{name} is missing", f"wanted: {_wanted(hints.get(name, str))}")
    return arguments


def _fits(value: object, hint: Any) -> bool:
    """Whether a value of the file is what the constructor is annotated with, as far as plain types go."""
    if isinstance(hint, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    kind = get_origin(hint) or hint
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return not isinstance(kind, type) or isinstance(value, kind)


def _wanted(hint: Any) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}.get(
        hint, str(hint)
    )
