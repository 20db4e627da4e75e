"""A table of an operator's TOML file: its values taken one by one, each checked, and none left over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cityhub.settings import OperatorError

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
NAME_WANTED = "lower-case letters, digits and hyphens, at most 64"


class Mistake(OperatorError):
    """A mistake in the file: which key, and what was wanted there."""


class Table:
    """One table of the file while it is read: every key is asked for once, and what is left over is a mistake."""

    def __init__(self, file: Path, name: str, given: object) -> None:
        self._file, self._name = file, name
        if not isinstance(given, dict):
            raise Mistake(f"{file}: {name} is {given!r:.60}", f"write it as a table: [{name}]")
        self._given = dict(given)

    def wrong(self, key: str, wanted: str, value: object = None) -> Mistake:
        """The sentence for a mistake."""
        said = "is missing" if value is None else f"is {value!r:.80}"
        return Mistake(f"{self._file}: {self._name}.{key} {said}", f"wanted: {wanted}")

    def idle(self, key: str, why: str) -> Mistake:
        """The sentence for a key that would do nothing, and so is not meant as it is written."""
        return Mistake(f"{self._file}: {self._name}.{key} does nothing here", f"{why}; leave it out")

    def text(self, key: str, wanted: str, default: str | None = None) -> str:
        """A text."""
        value = self._given.pop(key, default)
        if not isinstance(value, str) or (not value and default is None):
            raise self.wrong(key, wanted, value)
        return value

    def name(self, key: str, default: str | None = None) -> str:
        """An identifier."""
        value = self.text(key, NAME_WANTED, default)
        if not IDENTIFIER.fullmatch(value):
            raise self.wrong(key, NAME_WANTED, value)
        return value

    def number(self, key: str, wanted: str, default: float, least: float, most: float) -> float:
        """A number within its bounds."""
        value = self._given.pop(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.wrong(key, f"{wanted}, {least:g} to {most:g}", value)
        return value

    def choice(self, key: str, of: tuple[str, ...], default: str | None = None) -> str:
        """One of several words."""
        value = self._given.pop(key, default)
        if value not in of:
            raise self.wrong(key, f"one of {', '.join(of)}", value)
        return str(value)

    def table(self, key: str) -> dict[str, Any]:
        """A table inside; empty where there is none."""
        value = self._given.pop(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, f"a table: [{self._name}.{key}]", value)
        return value

    def has(self, key: str) -> bool:
        """Whether it is there and was not asked for yet."""
        return key in self._given

    def end(self, known: str) -> None:
        """Nothing may be left over: a misspelt key would be a setting that nobody follows."""
        for key in self._given:
            raise Mistake(f"{self._file}: {self._name}.{key} is not known", f"known are {known}")
