"""The field agent: drivers fill readings, the journal keeps them, the publisher brings them to the hub."""
