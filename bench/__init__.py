"""The project's own measurements: each starts the real hub with services of its own and counts what it commits."""
