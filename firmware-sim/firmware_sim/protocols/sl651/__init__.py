"""SL 651-2014: hydrological telemetry, in HEX/BCD and in ASCII."""
