"""Protocols of the field, read from their bytes: no I/O, no state but a link's own; the drivers bring the bytes."""
