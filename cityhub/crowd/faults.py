"""Who is named as a camera or a counter of the census and counts nothing: for the hub's log, and for the doctor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cityhub.crowd.ground import Ground
from ingest.profile import Profile


def idle(ground: Ground, kinds: Mapping[str, str], profiles: Mapping[str, Profile]) -> Iterator[str]:
    """One sentence each.

    Args:
        ground: what is drawn.
        kinds: by key of the devices in service: its profile.
        profiles: by key.
    """
    named: list[tuple[str, str, str]] = [(view.camera, f"camera {view.camera}", "") for view in ground.views]
    for gate in ground.gates:
        if gate.counter is None:
            continue
        named += [(gate.counter, f"line {gate.key}", metric) for metric in (gate.forward, gate.backward)]
    for key, who, metric in named:
        kind = kinds.get(key)
        if kind is None:
            yield f"{who}: no device {key} is in service"
            continue
        ways = {name: each.counts for name, each in profiles[kind].all_metrics.items()}
        if not metric and "view" not in ways.values():
            yield f"{who}: its profile {kind} has no metric that counts a view"
        elif metric and ways.get(metric) not in ("in", "out"):
            yield f"{who}: {metric} of {key} does not count who goes in or out"


def outside(cameras: set[str]) -> set[str]:
    """The same of cameras whose view is drawn where no watched zone is."""
    return {f"camera {key}: its view lies in no watched zone" for key in cameras}
