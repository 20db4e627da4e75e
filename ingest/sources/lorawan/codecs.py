"""Every LoRaWAN codec by its name: a device says by this name how its bytes are read."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.sources.lorawan import cayenne, milesight
from ingest.sources.lorawan.uplink import Codec

CODECS: Mapping[str, Codec] = {**cayenne.CODECS, **milesight.CODECS}
