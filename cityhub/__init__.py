"""The parts put together: settings, wiring, commands, private services. Nobody imports it."""
