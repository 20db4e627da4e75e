"""What a code of HJ 212 measures: the factors of its annex B as a table, and what is sent of a factor."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

FLUE_GAS = "31"
"""System type (ST) of flue gas: the gases of ambient air are sent in mg/m3 there, and are other metrics."""


class Factor(NamedTuple):
    """One code: value in `unit` (UCUM) = what is sent * gain; a total (Cou) is sent in the unit `total`."""

    code: str  # of the 2017 standard
    metric: str
    unit: str
    gain: float
    total: str
    name: str


class Kind(NamedTuple):
    """What a suffix (`-Rtd`, `-Avg` ...) says of its factor."""

    suffix: str  # of the metric
    value: bool  # a number to be stored
    total: bool = False  # a sum over the period, in the factor's other unit
    flag: bool = False


KINDS = {
    "rtd": Kind("", value=True),
    "avg": Kind("avg", value=True),
    "min": Kind("min", value=True),
    "max": Kind("max", value=True),
    "cou": Kind("cou", value=True, total=True),
    "zsrtd": Kind("converted", value=True),
    "zsavg": Kind("converted-avg", value=True),
    "zsmin": Kind("converted-min", value=True),
    "zsmax": Kind("converted-max", value=True),
    "zscou": Kind("converted-cou", value=True, total=True),
    "data": Kind("", value=True),
    "daydata": Kind("daytime", value=True),
    "nightdata": Kind("nighttime", value=True),
    "info": Kind("", value=True),
    "rs": Kind("state", value=True),
    "rt": Kind("run-time", value=True),
    "flag": Kind("", value=False, flag=True),
    "eflag": Kind("", value=False),  # of the instrument, not of the value
    "sampletime": Kind("", value=False),
    "sn": Kind("", value=False),
}
"""By the suffix in lower case: stations write `-rtd` and `-RTD` too."""

SPANS = {"2051": "minute", "2061": "hour", "2031": "day", "2041": "day"}
"""The period that a command's values are of; its name stands in the metric, so that a minute's mean and an hour's are
two series. How many minutes a `minute` has is the station's setting (MinInterval)."""


@cache
def table() -> dict[tuple[str, str], Factor]:
    """Factors by code and system type (`""`: any); codes of 2005 lead to those of 2017."""
    made: dict[tuple[str, str], Factor] = {}
    text = files(__package__).joinpath("factors.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        known = Factor(row["code"], row["metric"], row["unit"], float(row["gain"]), row["total"], row["name"])
        for code in filter(None, (row["code"], row["old"])):
            made[code.lower(), row["st"]] = known
    return made


def factor(code: str, st: str) -> Factor | None:
    """The factor of a code as a station of this system type sends it; None where no table has it."""
    known = table()
    return known.get((code.lower(), st)) or known.get((code.lower(), ""))


def metric(code: str, kind: Kind, cn: str, known: Factor | None) -> str:
    """The metric's name: a code that no table has is its own name, so that its values are not lost."""
    if code[:2].upper() == "SB" and code[2:].isdigit():
        base = f"equipment-{int(code[2:])}"
    else:
        base = known.metric if known else code.lower()
    return "-".join(filter(None, (base, SPANS.get(cn, ""), kind.suffix)))
