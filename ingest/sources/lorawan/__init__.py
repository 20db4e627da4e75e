"""LoRaWAN codecs: what the bytes of an uplink mean, by kind of device; pure, one module a maker."""
