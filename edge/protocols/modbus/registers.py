"""Register maps: which register of a kind of device is which metric, read from YAML and checked before it is used."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

SHIPPED = Path(__file__).parent / "maps"
WORDS = {"u16": 1, "s16": 1, "u32": 2, "s32": 2, "f32": 2, "u64": 4, "s64": 4, "f64": 4}
CODES = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "f32": "f", "u64": "Q", "s64": "q", "f64": "d"}
REGISTERS_AT_ONCE, BITS_AT_ONCE = 125, 2_000  # MODBUS Application Protocol V1.1b3, 6.1 to 6.4
COILS, INPUTS, HOLDING, INPUT = 1, 2, 3, 4
LAST_ADDRESS = 0xFFFF
KEYS = {"address", "type", "function", "gain", "offset", "unit", "bits", "missing", "word-order"}


class MapError(ValueError):
    """A map that cannot be used; `hint` says what was wanted."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Register:
    """One metric: where it lies, and how its bits become a number."""

    metric: str
    function: int  # 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers
    address: int  # as on the wire: counted from 0
    type: str  # "bit" for functions 1 and 2
    gain: float = 1.0
    offset: float = 0.0
    unit: str = "1"
    bits: tuple[int, int] | None = None  # first and last of a field in an unsigned number, 0 the lowest
    missing: int | None = None  # the raw number that says "no value"
    low_word_first: bool = False

    @property
    def words(self) -> int:
        """Registers, or bits, that it takes."""
        return WORDS.get(self.type, 1)

    def value(self, words: Sequence[int]) -> float:
        """The number in its registers (each 0..65535, or a bit); NaN where the device says that it has none."""
        if self.type == "bit":
            return float(words[0]) * self.gain + self.offset
        ordered = reversed(words) if self.low_word_first else words
        data = b"".join(word.to_bytes(2, "big") for word in ordered)
        if self.missing is not None and int.from_bytes(data, "big") == self.missing:
            return math.nan
        raw = struct.unpack(f">{CODES[self.type]}", data)[0]
        if self.bits is not None:
            first, last = self.bits
            raw = (raw >> first) & ((1 << (last - first + 1)) - 1)
        value = raw * self.gain + self.offset
        return value if math.isfinite(value) else math.nan


@dataclass(frozen=True, slots=True)
class Request:
    """Neighbouring registers that are asked for together."""

    function: int
    address: int
    count: int
    registers: tuple[Register, ...]

    def values(self, words: Sequence[int]) -> list[tuple[str, float]]:
        """Metrics and values of an answer; one that is too short holds fewer."""
        return [
            (each.metric, each.value(words[start : start + each.words]))
            for each in self.registers
            if (start := each.address - self.address) + each.words <= len(words)
        ]


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """A kind of device."""

    name: str
    registers: tuple[Register, ...]
    gap: int = 0  # registers between two that may be read along; some devices refuse what they do not have

    def requests(self) -> list[Request]:
        """The fewest questions that bring every register."""
        found: list[list[Register]] = []
        for each in sorted(self.registers, key=lambda one: (one.function, one.address)):
            most = BITS_AT_ONCE if each.function in (COILS, INPUTS) else REGISTERS_AT_ONCE
            if found and found[-1][0].function == each.function:
                first = found[-1][0].address
                end = max(one.address + one.words for one in found[-1])
                if each.address - end <= self.gap and max(end, each.address + each.words) - first <= most:
                    found[-1].append(each)
                    continue
            found.append([each])
        return [
            Request(
                group[0].function,
                group[0].address,
                max(one.address + one.words for one in group) - group[0].address,
                tuple(group),
            )
            for group in found
        ]


def load(name: str) -> RegisterMap:
    """A shipped map by its name, else a file by its path; raises MapError."""
    import yaml  # noqa: PLC0415 -- comes with the extra "edge"

    path = SHIPPED / f"{name}.yaml" if "/" not in name and not name.endswith(".yaml") else Path(name)
    try:
        body = yaml.safe_load(path.read_bytes())
    except OSError as error:
        shipped = ", ".join(sorted(each.stem for each in SHIPPED.glob("*.yaml")))
        raise MapError(f"no register map {name!r}", f"a file's path, or one of {shipped}") from error
    except yaml.YAMLError as error:
        raise MapError(f"{path}: not YAML: {error}", "check indentation and quotes") from error
    return parse(body, str(path))


def parse(body: object, where: str) -> RegisterMap:
    """The map in a file's content; raises MapError naming the key and what was wanted."""
    if not isinstance(body, dict) or not isinstance(body.get("registers"), dict) or not body["registers"]:
        raise MapError(f"{where}: there are no registers", "registers: {metric: {address: 0, type: u16}}")
    for key in body.keys() - {"map", "name", "source", "function", "word-order", "gap", "registers"}:
        raise MapError(
            f"{where}: {key} is not known", "map, name, source, function, word-order, gap, registers"
        )
    registers = tuple(
        _register(where, str(metric), given, body) for metric, given in body["registers"].items()
    )
    return RegisterMap(
        str(body.get("map", where)), registers, _whole(where, "gap", body.get("gap", 0), 0, 100)
    )


def _register(where: str, metric: str, given: object, body: Mapping[str, Any]) -> Register:
    place = f"{where}: registers.{metric}"
    if not isinstance(given, dict):
        raise MapError(
            f"{place} is {given!r:.60}", "a table such as {address: 0, type: u16, gain: 0.1, unit: mm}"
        )
    for key in given.keys() - KEYS:
        raise MapError(f"{place}.{key} is not known", ", ".join(sorted(KEYS)))
    function = _whole(place, "function", given.get("function", body.get("function", HOLDING)), COILS, INPUT)
    of_bits = function in (COILS, INPUTS)
    kind = given.get("type", "bit" if of_bits else "u16")
    if kind not in (("bit",) if of_bits else tuple(WORDS)):
        wanted = "bit" if of_bits else ", ".join(WORDS)
        raise MapError(f"{place}.type is {kind!r:.40}", f"for function {function}: {wanted}")
    order: Literal["big", "little"] = given.get("word-order", body.get("word-order", "big"))
    if order not in ("big", "little"):
        raise MapError(f"{place}.word-order is {order!r:.40}", "big (high word first) or little")
    bits = _bits(place, given.get("bits"), kind)
    missing = given.get("missing")
    return Register(
        metric=metric,
        function=function,
        address=_whole(place, "address", given.get("address"), 0, LAST_ADDRESS + 1 - WORDS.get(kind, 1)),
        type=kind,
        gain=_number(place, "gain", given.get("gain", 1)),
        offset=_number(place, "offset", given.get("offset", 0)),
        unit=str(given.get("unit", "1")),
        bits=bits,
        missing=None if missing is None else _whole(place, "missing", missing, 0, (1 << 64) - 1),
        low_word_first=order == "little",
    )


def _bits(place: str, given: object, kind: str) -> tuple[int, int] | None:
    if given is None:
        return None
    most = 16 * WORDS.get(kind, 0) - 1
    ends: list[Any] = given if isinstance(given, list) else [given, given]
    if not kind.startswith("u") or len(ends) != 2 or any(type(each) is not int for each in ends):  # noqa: PLR2004
        raise MapError(
            f"{place}.bits is {given!r:.40}", "a bit's number, or [first, last], of an unsigned type"
        )
    if not 0 <= ends[0] <= ends[1] <= most:
        raise MapError(f"{place}.bits is {given!r:.40}", f"0 to {most}, the lower one first")
    return ends[0], ends[1]


def _whole(place: str, key: str, value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise MapError(f"{place}.{key} is {value!r:.40}", f"a whole number, {least} to {most}")
    return value


def _number(place: str, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MapError(f"{place}.{key} is {value!r:.40}", "a number")
    return float(value)
