"""Sparkplug B 3.0: the hub as a host application, for edge nodes and the devices behind them."""
