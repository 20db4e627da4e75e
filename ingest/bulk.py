"""A list held against the registry: a verdict for every row, then all of it written at once, or put back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ingest import credentials, departments, life
from ingest.crosscheck import Known, circles, faults_of, founded
from ingest.entry import FIELDS, Entry, Read
from ingest.history import differing
from ingest.sheet import Fault

Kind = Literal["new", "changed", "same", "fault"]
Record = dict[str, Any]

LOCK = 0x6C697374  # "list": two lists at once would each be held against what the other is about to change
CHAIN = ("district", "street", "community", "grid_cell")
SILENT = {"given_lon", "given_lat"}
"""What follows from what a diff shows already."""
WRITTEN = tuple(name for name in FIELDS if name != "addresses")

PRESENT = """
select device_record.key, device_record.name, department, maintainer, device_record.profile, gateway, counts_zone,
       device.recorded, device_record.state, device_record.lon, device_record.lat, device_record.datum,
       device_record.given_lon, device_record.given_lat, device_record.district, device_record.street,
       device_record.community, device_record.grid_cell, device_record.component, device_record.vertical_datum,
       device_record.vertical_offset_m, device_record.sensor_serial,
       array(select scheme || ':' || address from device_address where device_id = device.id order by 1) as addresses
from device_record join device using (id) where device.key = any(%s)"""


class Verdict(NamedTuple):
    """What becomes of a row: `diff` by field, before and after."""

    row: int
    key: str
    kind: Kind
    diff: dict[str, tuple[Any, Any]]
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a list would do; nothing is written yet."""

    verdicts: list[Verdict]
    before: dict[str, Record]
    after: dict[str, Record]
    notes: list[str]

    @property
    def faults(self) -> list[Fault]:
        """All of them, by row."""
        return [fault for verdict in self.verdicts for fault in verdict.faults]

    @property
    def sentences(self) -> list[str]:
        """Every fault as a sentence, with its line, and the device where the line names one."""
        return [
            f"line {fault.row}: {verdict.key}: {fault.reason}; {fault.remedy}"
            if verdict.key and fault.row
            else f"{verdict.key}: {fault.reason}; {fault.remedy}"
            if verdict.key
            else str(fault)
            for verdict in self.verdicts
            for fault in verdict.faults
        ]

    @property
    def summary(self) -> dict[str, int]:
        """How many rows of each kind."""
        found = Counter(verdict.kind for verdict in self.verdicts)
        return {kind: found[kind] for kind in ("new", "changed", "same", "fault")}


def plan(connection: psycopg.Connection[Any], read: Read, reach: str | None = None) -> Plan:
    """Hold a list against the registry; `reach`: the one department that it may speak of."""
    keys = [entry.key for entry in read.entries]
    with connection.cursor(row_factory=dict_row) as cursor:
        before: dict[str, Record] = {row["key"]: row for row in cursor.execute(PRESENT, (keys,)).fetchall()}
        known = Known(cursor, read.entries)
    by_row: dict[int, list[Fault]] = {}
    for fault in read.faults:
        by_row.setdefault(fault.row, []).append(fault)
    verdicts = [Verdict(row, "", "fault", {}, faults) for row, faults in by_row.items()]
    after: dict[str, Record] = {}
    for entry in read.entries:
        was = before.get(entry.key)
        faults = [Fault(entry.row, *fault) for fault in faults_of(entry, was, read.fields, known, reach)]
        record = _merged(entry, was, read.fields)
        if faults:
            verdicts.append(Verdict(entry.row, entry.key, "fault", {}, faults))
            continue
        diff = {} if was is None else differing(was, record)
        kind: Kind = "new" if was is None else "changed" if diff else "same"
        verdicts.append(
            Verdict(entry.row, entry.key, kind, {name: diff[name] for name in diff if name not in SILENT}, [])
        )
        if kind != "same":
            after[entry.key] = record
    if circled := circles(after, known.behind):
        own = "it is behind itself, by way of its gateway"
        verdicts = [
            each._replace(kind="fault", diff={}, faults=[Fault(each.row, "gateway", own, "name another")])
            if each.key in circled and not each.faults
            else each
            for each in verdicts
        ]
    verdicts.sort(key=lambda verdict: verdict.row)
    moved = {
        key: record["department"]
        for key, record in after.items()
        if (was := before.get(key)) and record["state"] != "retired"
        and (was["department"] != record["department"] or was["state"] == "retired")
    }  # fmt: skip
    notes = [
        *read.notes,
        *founded(after, known),
        *credentials.enrol_again(credentials.lost(connection, moved)),
    ]
    return Plan(verdicts, {key: before[key] for key in after if key in before}, after, notes)


def _merged(entry: Entry, was: Record | None, fields: set[str]) -> Record:
    """The record that an entry asks for: what the list does not speak of stays as it was."""
    given: Record = {
        name: sorted(entry.addresses) if name == "addresses" else getattr(entry, name) for name in FIELDS
    }
    if was is None:
        return {"key": entry.key, **given}
    speaks = fields | ({"datum"} if "lon" in fields else set())
    speaks |= {name for name in CHAIN if given[name] is not None}  # found from its zones
    return {**was, **{name: given[name] for name in FIELDS if name in speaks and name != "recorded"}}


def write(cursor: psycopg.Cursor[Any], after: dict[str, Record], new: set[str]) -> None:
    """Write records as they shall be, in a few statements, however many there are."""
    cursor.execute("create temp table wanted (like device_record including all) on commit drop")
    cursor.execute("alter table wanted add recorded boolean, add new boolean")
    with cursor.copy(f"copy wanted (key, new, {', '.join(WRITTEN)}) from stdin") as copy:
        for key, record in after.items():
            copy.write_row((key, key in new, *(record[name] for name in WRITTEN)))
    cursor.execute("analyze wanted")
    departments.add(
        cursor,
        {key for record in after.values() for key in (record["department"], record["maintainer"]) if key},
    )
    # Gateways before what is behind them, and gateways behind gateways in their turn.
    while cursor.execute(INSERT).rowcount:
        cursor.execute("update wanted set new = false where new and key in (select key from device)")
    cursor.execute(
        """insert into sensor_swap (device_id, serial_before, serial_after, who, because)
           select device.id, device.sensor_serial, wanted.sensor_serial, device_who(), device_because()
           from wanted join device using (key) where device.sensor_serial <> wanted.sensor_serial"""
    )
    cursor.execute(UPDATE)
    addresses = [
        (*address.split(":", 1), key) for key, record in after.items() for address in record["addresses"]
    ]
    cursor.execute(
        "delete from device_address using device where device.id = device_id and device.key = any(%s)",
        (list(after),),
    )
    cursor.execute(
        """insert into device_address (scheme, address, device_id)
           select scheme, address, device.id
           from unnest(%s::text[], %s::text[], %s::text[]) as given (scheme, address, key) join device using (key)""",
        [[row[column] for row in addresses] for column in range(3)],
    )
    cursor.execute("drop table wanted")
    cursor.execute("select pg_notify('cityhub_registry', '')")


_PLAIN = tuple(
    name for name in WRITTEN if name not in ("department", "maintainer", "gateway", "counts_zone", "recorded")
)
_FROM = """
from wanted join department owner on owner.key = wanted.department
     left join department keeper on keeper.key = wanted.maintainer
     left join device gate on gate.key = wanted.gateway
     left join zone on zone.key = wanted.counts_zone"""
INSERT = f"""
insert into device (key, department_id, maintainer_id, gateway_id, zone_id, recorded, {", ".join(_PLAIN)})
select wanted.key, owner.id, keeper.id, gate.id, zone.id, wanted.recorded, {", ".join(f"wanted.{n}" for n in _PLAIN)}
{_FROM} where wanted.new and (wanted.gateway is null or gate.id is not null)"""
UPDATE = f"""
update device set department_id = said.owner, maintainer_id = said.keeper, gateway_id = said.gate, zone_id = said.zone,
       {", ".join(f"{name} = said.{name}" for name in _PLAIN)}
from (select wanted.*, owner.id as owner, keeper.id as keeper, gate.id as gate, zone.id as zone {_FROM}
      where wanted.new is false) as said
where device.key = said.key and (device.department_id, device.maintainer_id, device.gateway_id, device.zone_id,
      {", ".join(f"device.{name}" for name in _PLAIN)}) is distinct from
      (said.owner, said.keeper, said.gate, said.zone, {", ".join(f"said.{name}" for name in _PLAIN)})"""  # noqa: S608 -- our own columns


def apply(connection: psycopg.Connection[Any], plan: Plan, *, number: int, who: str, because: str) -> None:
    """Write a plan without faults as import `number`, in the caller's transaction."""
    with connection.transaction(), connection.cursor() as cursor:
        life.sign(cursor, who, because)
        write(cursor, plan.after, plan.after.keys() - plan.before.keys())
        with cursor.copy("copy device_import_row (import_id, key, before) from stdin") as copy:
            for key in plan.after:
                before = plan.before.get(key)
                copy.write_row((number, key, None if before is None else Jsonb(before)))
        cursor.execute(
            "update device_import set applied_at = now(), content = null, summary = %s where id = %s",
            (Jsonb(plan.summary), number),
        )
