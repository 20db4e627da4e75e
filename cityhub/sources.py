"""The sources in use: which platforms and cameras this hub listens to, by the setting `sources`."""

from __future__ import annotations

from collections.abc import Callable

from cityhub.settings import OperatorError
from ingest.registry import Device, Registry
from ingest.sources.chirpstack import ChirpStack
from ingest.sources.frigate import Frigate
from ingest.sources.onvif import Onvif
from ingest.sources.said import Source
from ingest.sources.thingsboard import ThingsBoard


def _chirpstack(registry: Registry) -> ChirpStack:
    """A device's profile may name the codec of its bytes."""

    def codec_of(dev_eui: str) -> str | None:
        device = registry.addressed(ChirpStack.scheme, dev_eui)
        return registry.profiles[device.profile].codec if isinstance(device, Device) else None

    return ChirpStack(codec_of)


def _onvif(registry: Registry) -> Onvif:
    """A rule, a sensor or a module of a camera may be registered as a device of its own."""
    return Onvif(lambda address: (Onvif.scheme, address) in registry.addresses)


SOURCES: dict[str, Callable[[Registry], Source]] = {
    "chirpstack": _chirpstack,
    "frigate": lambda _: Frigate(),
    "onvif": _onvif,
    "thingsboard": lambda _: ThingsBoard(),
}


def chosen(setting: str) -> tuple[str, ...]:
    """The names in the setting, separated by spaces; raises OperatorError."""
    names = tuple(setting.split())
    for name in names:
        if name not in SOURCES:
            raise OperatorError(
                f"there is no source {name!r}", f"`sources` names some of {', '.join(SOURCES)}"
            )
    return names
