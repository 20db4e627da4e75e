"""Placing: every device into the zones that it stands in; the API does it too, so it lives there."""

from api.placing import place_devices

__all__ = ["place_devices"]
