"""From MQTT to the table: inbox, decode, registry, batch, store, ledger, derived series."""
