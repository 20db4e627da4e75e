"""Modbus: register maps as data, and frames taken apart; the asking is done in edge/drivers/modbus.py."""
