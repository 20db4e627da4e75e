"""Labels: from the code on a device to the profile of its kind."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 200


class LabelError(ValueError):
    """A label that leads to no profile, or to several; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Match:
    """What a label says: the profile, and the serial number where one stands on it."""

    profile: str
    serial: str


def match(code: str, profiles: Iterable[tuple[str, Mapping[str, Any]]]) -> Match:
    """The profile whose labels fit; raises LabelError.

    A label is read as it stands, as `model;serial` or `profile;serial`, or as a 16-digit component code. Patterns of
    profiles have at most three stars, so that no label keeps them busy.
    """
    text = code.strip()
    if not text or len(text) > LONGEST or not text.isprintable():
        raise LabelError(
            f"a label has 1 to {LONGEST} printable characters",
            "type what stands on the device, or give --profile",
        )
    model, _, serial = (part.strip() for part in text.partition(";"))
    found = []
    for key, body in profiles:
        patterns = [str(pattern) for pattern in body.get("labels", ())]
        # Upper and lower case are one: labels shout, people do not.
        if model.lower() == key or any(
            fnmatch.fnmatchcase(said.lower(), pattern.lower())
            for pattern in patterns
            for said in (text, model)
        ):
            found.append(key)
    if len(found) == 1:
        return Match(found[0], serial)
    if found:
        raise LabelError(f"the label fits {', '.join(sorted(found))}", "choose one with --profile")
    raise LabelError(
        "no profile knows this label",
        "choose one with --profile, or add the label to `labels` of its profile",
    )
