"""Protocols of the field, written byte by byte from their standards: encoders, and readers of what comes down."""
