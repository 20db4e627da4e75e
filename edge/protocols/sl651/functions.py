"""Function codes and kinds of stations of SL 651-2014 (its appendices A and B), and what their bodies hold."""

from __future__ import annotations

HEARTBEAT, UNIFORM, HOURLY, BY_HAND, PICTURE = 0x2F, 0x31, 0x34, 0x35, 0x36
QUERY_NOW, QUERY_SERIES, QUERY_ELEMENTS = 0x37, 0x38, 0x3A
VERSION, PASSWORD, CLOCK, QUOTA, EVENTS = 0x45, 0x49, 0x4A, 0x4F, 0x50
PUMPS, VALVES, GATES = 0x4C, 0x4D, 0x4E

FUNCTIONS = {
    0x2F: "link is kept up",
    0x30: "test report",
    0x31: "series at a uniform step",
    0x32: "timed report",
    0x33: "additional report: a threshold or an event",
    0x34: "hour report",
    0x35: "values put in by hand",
    0x36: "picture",
    0x37: "query of all elements now",
    0x38: "query of a series",
    0x39: "query of the values put in by hand",
    0x3A: "query of named elements",
    0x40: "basic settings changed",
    0x41: "basic settings read, or told",
    0x42: "running settings changed",
    0x43: "running settings read, or told",
    0x44: "query of the pump's motor",
    0x45: "query of the software's version",
    0x46: "query of state and alarms",
    0x47: "storage cleared",
    0x48: "settings of the factory restored",
    0x49: "password changed",
    0x4A: "clock set",
    0x4B: "IC card switched",
    0x4C: "pumps switched, or their state",
    0x4D: "valves switched, or their state",
    0x4E: "gates moved, or their state",
    0x4F: "fixed quota switched",
    0x50: "query of the event counters",
    0x51: "query of the clock",
}

CLASSES = {
    0x50: "rain",
    0x48: "river",
    0x4B: "reservoir or lake",
    0x5A: "sluice or dam",
    0x44: "pumping station",
    0x54: "tide",
    0x4D: "soil moisture",
    0x47: "groundwater",
    0x51: "water quality",
    0x49: "intake",
    0x4F: "outlet",
}

# Where the class of the station follows its address, and where settings follow in place of elements.
CLASSED = frozenset({0x30, 0x31, 0x32, 0x33, 0x34, 0x36, 0x37, 0x38, 0x3A, 0x44})
BASIC, RUNNING = frozenset({0x40, 0x41, PASSWORD}), frozenset({0x42, 0x43, 0x47, 0x48})
SETTINGS = BASIC | RUNNING
# After the address: data of a form of their own, or nothing.
OWN_FORM = frozenset({VERSION, PUMPS, VALVES, GATES, QUOTA, EVENTS, CLOCK, 0x51})

# What a station says of itself: this is confirmed. An answer is, where it was asked for. What confirms an order that
# changes the station (its settings, its password, its pumps) is not ours to confirm: a station acts on that.
REPORTED = frozenset({*range(0x30, 0x37), 0x41, 0x43, PUMPS, VALVES, GATES})
# What may be asked: these change nothing, or set the clock.
ASKED = frozenset({0x36, 0x37, 0x38, 0x39, 0x3A, 0x41, 0x43, 0x44, 0x45, 0x46, CLOCK, 0x50, 0x51})

EVENT_COUNTERS = (
    "storage cleared",
    "settings changed",
    "states changed",
    "sensor or meter faults",
    "password changed",
    "terminal faults",
    "mains lost",
    "battery low",
    "box opened without leave",
    "pump faults",
    "water left below its limit",
    "level beyond its limit",
    "pressure beyond its limit",
    "quality beyond its limit",
    "data errors",
    "frames sent",
    "frames received",
    "frames sent in error",
)


def meaning(func: int) -> str:
    """What a function is for."""
    return FUNCTIONS.get(func) or ("of the maker's own" if func >= 0xE0 else "reserved by the standard")  # noqa: PLR2004
