"""Simulated firmware: field devices that speak to a gateway, deterministic by seed."""
