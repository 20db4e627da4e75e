"""Settings: one TOML file and CITYHUB_* variables; nothing else in the project reads configuration."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from alerts.days import Days


class OperatorError(Exception):
    """An operator's mistake: printed as `Error:` and `Try:`, without a traceback."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def default_home() -> Path:
    """Where the hub keeps what it must not lose."""
    if os.geteuid() == 0:
        return Path("/var/lib/cityhub")
    return Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local/state")) / "cityhub"


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, its default and what it means; the variable is CITYHUB_ and the name in capitals."""

    home: Path = field(
        default_factory=default_home, metadata={"help": "directory of private services, journals and secrets"}
    )
    database_url: str = _setting("", "postgresql://...; without it a private database is started")
    mqtt_url: str = _setting(
        "", "mqtt://user:password@host:port of the hub; without it a private broker is started"
    )
    mqtt_client_id: str = _setting(
        "cityhub", "what the hub calls itself there; its lasting session hangs on it"
    )
    field_mqtt_url: str = _setting(
        "", "mqtt://host:port where devices connect, each with its own credential; default: as the hub"
    )
    public_url: str = _setting(
        "",
        "how people and devices reach console and API, for codes and links; default: http://api_host:api_port",
    )
    api_host: str = _setting("127.0.0.1", "address on which console and API listen")
    api_port: int = _setting(8470, "port of console and API")
    api_secure: bool = _setting(False, "true behind https: cookies are then sent over https only")
    webhook_url: str = _setting("", "alarms are sent there as signed POSTs")
    webhook_secret: str = _setting("", "signs them (Standard Webhooks, base64 or text)")
    webhook_allow_private: bool = _setting(False, "allow a webhook inside a private network")
    time_zone: str = _setting("Asia/Shanghai", "the city's time zone (IANA name): its days are counted by it")
    sources: str = _setting(
        "chirpstack frigate onvif sparkplug thingsboard",
        "platforms and cameras to listen to on topics of their own; empty: none",
    )
    rules: str = _setting("", "folder of rules (*.yaml), added to the shipped ones")
    profiles: str = _setting("", "folder of profiles (*.yaml), added to the shipped ones")
    device_messages_per_s: float = _setting(100.0, "quota of a device; its profile may state another one")
    device_burst: float = _setting(6_000.0, "messages that a device may send at once")
    department_messages_per_s: float = _setting(50_000.0, "quota of a department's devices together")
    department_burst: float = _setting(500_000.0, "messages that they may send at once")
    keep_readings_days: int = _setting(732, "readings are kept so long, at least 31; 0: for ever")
    keep_messages_days: int = _setting(31, "messages as they came, behind lineage; 0: for ever")
    keep_dead_letters_days: int = _setting(
        92, "what could not be taken, and what devices report; 0: for ever"
    )
    keep_minutes_days: int = _setting(
        732, "aggregates of a minute; those of an hour stay ten years; 0: for ever"
    )
    keep_fixes_days: int = _setting(
        31, "positions of devices that tell their own, and their crossings, at least 31; 0: for ever"
    )
    keep_anonymous_fixes_days: int = _setting(
        7, "positions of people whom nobody names, and their crossings, at least 2; 0: for ever"
    )


def load(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Settings of a file, each overruled by its variable; raises OperatorError."""
    given: dict[str, Any] = {}
    if path is not None:
        try:
            given = tomllib.loads(path.read_text())
        except OSError as error:
            raise OperatorError(f"cannot read {path}: {error.strerror}", "check --config") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise OperatorError(
                f"{path}: {error}", "write settings as name = value, texts in quotes"
            ) from error
    known = {setting.name: setting for setting in fields(Settings)}
    for name in given:
        if name not in known:
            raise OperatorError(f"{path}: unknown setting {name!r}", f"known are {', '.join(known)}")
    for name in known:
        variable = f"CITYHUB_{name.upper()}"
        if variable in environment:
            given[name] = environment[variable]
    return Settings(
        **{name: _cast(name, value, type(getattr(Settings(), name))) for name, value in given.items()}
    )


def days_of(zone: str) -> Days:
    """The days of a time zone; raises OperatorError."""
    try:
        return Days(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise OperatorError(
            f"time_zone is {zone!r}, which is not known here",
            "write an IANA name such as Asia/Shanghai; the package tzdata brings them",
        ) from error


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as variables, for a process of ours to find."""
    return {f"CITYHUB_{each.name.upper()}": str(getattr(settings, each.name)) for each in fields(Settings)}


def _cast(name: str, value: Any, wanted: type) -> Any:
    if wanted is bool:
        if str(value).lower() in ("true", "1", "yes"):
            return True
        if str(value).lower() in ("false", "0", "no", ""):
            return False
        raise OperatorError(f"{name} is {value!r}", "write true or false")
    try:
        return wanted(value)
    except (TypeError, ValueError) as error:
        raise OperatorError(
            f"{name} is {value!r}, not {'a path' if wanted is Path else 'a number'}",
            f"see `{name}` in docs/settings.md",
        ) from error
