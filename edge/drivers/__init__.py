"""Drivers: each turns what one kind of sensor says into samples `(device/metric, time in us, value)`."""
