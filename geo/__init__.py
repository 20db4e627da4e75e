"""Zones, location and area: maths on columns; only `table` speaks to the database."""
