"""From the words of an edge node to the hub's: metric names in our form, units in UCUM."""

from __future__ import annotations

import hashlib
import re

from ingest.sources import naming

LONGEST = 60  # leaves a digest its place in the 64 characters of a metric
# What only ASCII letters and digits leave unsaid.
_UNSAID = re.compile(r"[^\x00-\x7f]")

# How engineers write the units of a city's instruments, and UCUM's way. A unit that is not here is not passed on:
# a profile refuses a unit that it does not expect, so a wrong guess would cost readings.
UCUM = {
    "°c": "Cel", "degc": "Cel", "deg c": "Cel", "℃": "Cel", "celsius": "Cel", "c": "Cel", "cel": "Cel",
    "%": "%", "%rh": "%", "rh%": "%", "percent": "%",
    "m": "m", "mm": "mm", "cm": "cm", "km": "km", "meter": "m", "metre": "m",
    "m3/s": "m3/s", "m³/s": "m3/s", "cms": "m3/s", "m3": "m3", "m³": "m3", "m3/h": "m3/h", "m³/h": "m3/h",
    "m/s": "m/s", "l/s": "L/s",
    "pa": "Pa", "hpa": "hPa", "kpa": "kPa", "bar": "bar", "mbar": "mbar",
    "hz": "Hz", "mg/l": "mg/L", "ug/m3": "ug/m3", "µg/m³": "ug/m3", "μg/m³": "ug/m3", "mg/m3": "mg/m3",
    "mg/m³": "mg/m3", "us/cm": "uS/cm", "µs/cm": "uS/cm", "μs/cm": "uS/cm", "ntu": "[NTU]", "[ntu]": "[NTU]",
    "ph": "[pH]", "[ph]": "[pH]", "°": "deg", "deg": "deg", "degrees": "deg", "dbm": "dBm", "db": "dB",
    "db(a)": "dB[SPL]", "dba": "dB[SPL]", "db[spl]": "dB[SPL]", "lx": "lx", "lux": "lx", "s": "s", "min": "min",
    "1": "1",
}  # fmt: skip
# Of these the case decides: mW is no MW, and a capital A is no year.
CASED = {"V", "mV", "kV", "A", "mA", "W", "mW", "kW", "MW", "Wh", "kWh", "K"}


def metric_name(name: str) -> str:
    """The hub's name of a metric: that of any platform's field (ingest/sources/naming.py), `/` being one more separator.

    "Temperature/Inlet" is temperature-inlet, "PM2.5" is pm2-5, "waterLevel" is water-level. Where characters outside
    ASCII, or more than 60 characters, would be lost, eight hexadecimal digits of the name's BLAKE2s digest end it, so
    that two such names stay two.
    """
    plain = naming.metric(name)
    if plain and len(plain) <= LONGEST and not _UNSAID.search(name):
        return plain
    digest = hashlib.blake2s(name.encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{plain[:50].strip('-') or 'metric'}-{digest}"


def unit(written: str) -> str | None:
    """A unit as UCUM; None where it is not known for certain."""
    written = written.strip()
    return written if written in CASED else UCUM.get(written.lower())
