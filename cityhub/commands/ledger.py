"""`cityhub ledger`: the book that must balance."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cityhub.commands.options import Config, connect, settings
from ingest.ledger import Ledger

out = Console(highlight=False)


def ledger(
    hours: Annotated[float, typer.Option(help="How far back.", min=0.01)] = 1.0,
    config: Config = None,
) -> None:
    """Print what became of every reading: received = stored + duplicate + quarantined + rejected.

    Exits with 1 when it does not balance.
    """
    table = Table("device", *Ledger.COLUMNS, "balance", box=None)
    off = 0
    sums = ", ".join(f"sum({column})::bigint" for column in Ledger.COLUMNS)
    with connect(settings(config)) as connection:
        for device, *numbers in connection.execute(
            f"""select coalesce(device.key, 'unknown sender'), {sums}
                from ledger_minute left join device on device.id = device_id
                where minute > now() - make_interval(secs => %s)
                group by device.key order by device.key""",  # noqa: S608 -- our own column names
            (hours * 3600,),
        ):
            book = dict(zip(Ledger.COLUMNS, numbers, strict=True))
            balance = (
                book["received"] - book["stored"] - book["duplicate"] - book["quarantined"] - book["rejected"]
            )
            off += abs(balance)
            table.add_row(device, *map(str, numbers), str(balance))
    out.print(table)
    if off:
        out.print(f"[red]The ledger is off by {off} readings.[/]")
        raise typer.Exit(1)
