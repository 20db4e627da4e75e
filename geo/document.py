"""A GeoJSON document to its features: decoded, in a coordinate system that we take, nothing believed yet."""

from __future__ import annotations

import json
import re
from typing import Any

from geo.refusal import Fault, ZoneError

# 50,000 zones of 25 corners are 45 MB; decoding takes about ten times the size in memory.
MAX_BYTES = 64 * 1024 * 1024

# The members of the 2008 `crs` that mean what RFC 7946 fixes; CGCS2000 (4490) equals it within decimetres.
_WGS84 = re.compile(r"(CRS84|\b4326|\b4490)$")


def features(document: bytes | str) -> list[Any]:
    """The members of a FeatureCollection, or a Feature alone; bytes are UTF-8, `MAX_BYTES` at most.

    Raises:
        ZoneError: it is neither.
    """
    decoded = _decoded(document)
    if not isinstance(decoded, dict) or decoded.get("type") not in ("FeatureCollection", "Feature"):
        kind = str(decoded.get("type"))[:40] if isinstance(decoded, dict) else type(decoded).__name__
        raise _refused(
            f"the document is a {kind}, not a FeatureCollection or Feature",
            "Wrap each geometry in a Feature with an id.",
        )
    _refuse_other_datum(decoded.get("crs"))
    found = [decoded] if decoded["type"] == "Feature" else decoded.get("features")
    if not isinstance(found, list) or not found:
        raise _refused("the document has no features", "Export at least one area.")
    return found


def _decoded(document: bytes | str) -> object:
    if len(document) > MAX_BYTES:
        raise _refused(
            f"the document has {len(document):,} bytes, more than {MAX_BYTES:,}",
            "Split it, or simplify its outlines to what a map shows.",
        )
    try:
        text = document.decode("utf-8-sig") if isinstance(document, bytes) else document
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise _refused(f"the document is not UTF-8 at byte {error.start}", "Save it as UTF-8.") from error
    except RecursionError as error:
        raise _refused(
            "the document is nested too deeply", "GeoJSON needs nine levels; export it again."
        ) from error
    except ValueError as error:
        raise _refused(f"the document is not JSON: {error}", "Export it as GeoJSON again.") from error


def _refuse_other_datum(crs: object) -> None:
    """RFC 7946 has no `crs`, older files do: a zone in another system would lie somewhere else, silently."""
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str) or not _WGS84.search(name):
        raise _refused(
            f"the document is in the coordinate system {str(name)[:60]}",
            "Export the layer in WGS 84 (EPSG:4326).",
        )


def _refused(sentence: str, hint: str) -> ZoneError:
    return ZoneError([Fault(sentence, hint)])
