"""Firmware of stations: what is sampled, when it is told, and how long it is told again."""
