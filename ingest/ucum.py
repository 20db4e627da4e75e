"""Units as UCUM writes them (case-sensitive form): whether a text is one, by the grammar and the atoms that sensors use.

The Unified Code for Units of Measure, version 2.1 (ucum.org). The packages that read it bring a whole calculus of units
with them; a profile only needs to know that `ug/m3` is a unit and `µg/m³` is none.
"""

from __future__ import annotations

import re

PREFIXES = (
    "Y",
    "Z",
    "E",
    "P",
    "T",
    "G",
    "M",
    "k",
    "h",
    "da",
    "d",
    "c",
    "m",
    "u",
    "n",
    "p",
    "f",
    "a",
    "z",
    "y",
)
METRIC = frozenset(
    """m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L ar t bar u eV pc
       B B[SPL] B[V] B[W] Np bit By Bd st [iU] m[H2O] m[Hg] kat [NTU] [FNU] VAr VA""".split()  # noqa: SIM905
)
"""Atoms that take a prefix. [NTU], [FNU], VA, VAr and dBm are not in UCUM: what they measure has no other name there."""
OTHER = frozenset(
    """1 % [ppth] [ppm] [ppb] [pptr] min h d a wk mo deg ' '' gon har [pH] [degF] [ft_i] [in_i] [mi_i] [yd_i] [kn_i]
       [nmi_i] [acr_us] [gal_us] [psi] [lb_av] atm [g] 10* 10^ [pi] dBm""".split()  # noqa: SIM905
)
"""Atoms that take none."""

ANNOTATION = re.compile(r"\{[!-z|~]*\}")
EXPONENT = re.compile(r"[+-]?[0-9]+$")
MAX_UNIT = 40


def is_unit(text: str) -> bool:
    """Whether a text is a unit of UCUM, of those atoms that are known here."""
    return 0 < len(text) <= MAX_UNIT and _term(text.removeprefix("/"))


def quantity(value: float, unit: str) -> str:
    """A number with its unit, for people; the unit 1 goes without saying."""
    return f"{value:g}" if unit == "1" else f"{value:g} {unit}"


def _term(text: str) -> bool:
    """Components joined by points and strokes, groups in round brackets among them."""
    depth, start, inside = 0, 0, ""
    parts = []
    for place, character in enumerate(text):
        if inside:
            inside = "" if character == inside else inside
        elif character in "[{":
            inside = "]" if character == "[" else "}"
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth < 0:
                return False
        elif character in "./" and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    return depth == 0 and not inside and all(_component(part) for part in parts)


def _component(text: str) -> bool:
    if text.startswith("(") and text.endswith(")"):
        return _term(text[1:-1])
    bare = ANNOTATION.sub("", text)
    if not bare:
        return bool(text)  # an annotation by itself is the unity, annotated
    if text.find("{") not in (-1, len(bare)):
        return False  # an annotation comes last
    return bare.isdigit() or _atom(bare) or _atom(EXPONENT.sub("", bare))


def _atom(text: str) -> bool:
    if text in METRIC or text in OTHER:
        return True
    return any(text.startswith(prefix) and text[len(prefix) :] in METRIC for prefix in PREFIXES)
