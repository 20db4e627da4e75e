"""The sources in use: which platforms and cameras this hub listens to, by the setting `sources`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cityhub.settings import OperatorError
from edge.reading import now_us
from ingest.foreign import Foreign
from ingest.inbox import Inbox
from ingest.registry import Device, Registry
from ingest.sources.chirpstack import ChirpStack
from ingest.sources.frigate import Frigate
from ingest.sources.onvif import Onvif
from ingest.sources.said import Source
from ingest.sources.sparkplug.host import Host
from ingest.sources.sparkplug.source import Sparkplug
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
    "sparkplug": lambda _: Sparkplug(),
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


class Listening:
    """The sources in use, and the connection of its own that Sparkplug wants where it is among them."""

    def __init__(self, names: Sequence[str], registry: Registry) -> None:
        self._registry = registry
        made = [SOURCES[name](registry) for name in names]
        self.foreign = Foreign(registry, made)
        self._sparkplug = next((source for source in made if isinstance(source, Sparkplug)), None)
        self.filters = [each for source in made if source is not self._sparkplug for each in source.filters]
        self._host: Host | None = None
        self._addresses: dict[tuple[str, str], Device] = {}
        self._asked: set[str] = set()

    def start(self, broker: str, client_id: str, inbox: Inbox) -> None:
        """Say that we are there as a Sparkplug host; raises edge.link.Unreachable."""
        if self._sparkplug is not None:
            self._host = Host(
                broker,
                client_id,
                f"{client_id}-sparkplug",
                self._sparkplug,
                inbox.offer,
                lambda: inbox.waiting,
            )
            self._host.start()

    def watch(self) -> None:
        """Call once a second or so: edge nodes that were registered, or missed, are asked for their births."""
        if self._host is None or self._sparkplug is None:
            return
        if self._registry.addresses is not self._addresses:  # it has been read anew
            self._addresses = self._registry.addresses
            known = {
                "/".join(address.split("/")[:2])
                for scheme, address in self._addresses
                if scheme == Sparkplug.scheme
            }
            self._sparkplug.ask(known - self._asked, now_us())
            self._asked |= known
        self._host.watch(now_us())

    @property
    def shed(self) -> int:
        """Messages let go unread since the start, because too many waited."""
        return self._host.shed if self._host is not None else 0

    def close(self) -> None:
        """Say that we go."""
        if self._host is not None:
            self._host.close()
