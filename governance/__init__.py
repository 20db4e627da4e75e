"""Speaks of data: who may, who did, whose it is."""
