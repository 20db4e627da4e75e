"""The devices of the benches in the registry: profiles with checks, rules on every metric, enrolment."""

from __future__ import annotations

from pathlib import Path

from bench import meters
from bench.rig import Rig
from ingest import enrolment, profile

# Every metric has checks and a rule, so that each reading is flagged and ruled on its way; none of them ever
# fires on what the meters say: alarms are the latency bench's own.
METER = """
profile: bench-meter
name: Smart meter
quota: {messages_per_s: 1.0e+6, burst: 1.0e+6}  # a few of them may stand for many
metrics:
  voltage:
    {unit: V, quantity: voltage, interval_s: 10, checks: {gross_range: {fail: [0, 500], suspect: [100, 300]}}}
  power:
    {unit: W, quantity: power, interval_s: 10, checks: {gross_range: {fail: [0, 1.0e+6]}, rate_of_change: {per_s: 1.0e+9}}}
  energy:
    {unit: kW.h, quantity: energy, interval_s: 10, checks: {gross_range: {fail: [0, 1.0e+9]}, rate_of_change: {per_s: 1.0e+9}}}
"""
RUNAWAY = "runaway"
PROBE = """
profile: bench-probe
name: Probe
metrics:
  level: {unit: m, quantity: level, interval_s: 1, checks: {gross_range: {fail: [-100, 100]}}}
"""
GATEWAY = "gateway"
RULES = {
    "voltage": "{metric: voltage, profile: bench-meter}\nabove: {yellow: 260, red: 290}\nbelow: {yellow: 180, red: 150}",
    "power": "{metric: power, profile: bench-meter}\nabove: {blue: 9000, orange: 20000}",
    "energy": "{metric: energy, profile: bench-meter}\nabove: {blue: 1.0e+8}",
    "level": "{metric: level, profile: bench-probe}\nabove: {red: 10}\ndeadband: 1",
}

METERS_A_GATEWAY = 80


def gateway(number: int) -> str:
    """The id of an edge agent."""
    return f"bench-gateway-{number:02d}"


def probe(number: int) -> str:
    """The id of a device whose alarms the latency bench times."""
    return f"probe-{number:03d}"


def enrol(rig: Rig, *, devices: int = 0, gateways: int = 0, probes: int = 0) -> None:
    """Write rules, profiles and devices; meters behind gateways have ids of their own."""
    rig.rules.mkdir(exist_ok=True)
    for name, text in RULES.items():
        (rig.rules / f"{name}.yaml").write_text(f"rule: bench-{name}\ntitle: {name}\napplies_to: {text}\n")
    rig.say(f"enrolling {devices + gateways * (1 + METERS_A_GATEWAY) + probes:,} devices")
    loaded = [*profile.load(), *(_read(rig.home, text) for text in (METER, PROBE))]
    enrolment.keep_profiles(rig.connection, loaded)
    entry = enrolment.Entry
    entries = [entry(meters.key(n), "meter", meters.DEPARTMENT, "bench-meter") for n in range(devices)]
    probing = [probe(n) for n in range(probes)] + ([RUNAWAY] if probes else [])
    entries += [entry(key, "probe", meters.DEPARTMENT, "bench-probe") for key in probing]
    for number in range(gateways):
        entries.append(entry(gateway(number), "gateway", meters.DEPARTMENT, GATEWAY))
        entries += [
            entry(key, "meter", meters.DEPARTMENT, "bench-meter", gateway=gateway(number))
            for key in behind(number)
        ]
    enrolment.enrol(rig.connection, entries)


def behind(number: int) -> list[str]:
    """The meters that an edge agent carries."""
    return [f"{gateway(number)}-meter-{place:02d}" for place in range(METERS_A_GATEWAY)]


def _read(home: Path, text: str) -> profile.Loaded:
    path = home / "profile.yaml"
    path.write_text(text)
    return profile.read(path)
