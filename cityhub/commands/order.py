"""`cityhub device command` and `key`: tell a gateway what to do, signed, and wait for its answer."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import psycopg
import typer
from paho.mqtt.client import MQTTMessage
from rich.console import Console

from cityhub import signing
from cityhub.addresses import reach
from cityhub.commands.options import Config, connect, operator, settings
from cityhub.settings import OperatorError
from edge.command import LONGEST_MS
from edge.link import Address, Client, Unreachable, dial, dialect
from governance import audit

out = Console(highlight=False)

ACTIONS = ("ping", "capture", "restart-driver", "set-clock", "set-configuration")
FINAL = ("done", "refused", "failed", "rolled-back")
CONNECT_S = 10.0


def key(config: Config = None) -> None:
    """Print the hub's public key, as a gateway's file wants it under `hub_key`; made at the first call."""
    out.print(signing.public(settings(config).home))


def command(
    device: Annotated[str, typer.Argument(help="The gateway's id.")],
    action: Annotated[str, typer.Argument(help=f"One of {', '.join(ACTIONS)}.")],
    argument: Annotated[
        list[str] | None,
        typer.Option(help="KEY=VALUE, or KEY=@FILE for what a file holds; may be given several times."),
    ] = None,
    expires: Annotated[
        float, typer.Option(help="Seconds for which the gateway may obey it.", min=1, max=LONGEST_MS / 1e3)
    ] = 60.0,
    config: Config = None,
) -> None:
    """Tell a gateway what to do: signed with the hub's key, written to the audit log, and waited for.

    `ping`; `capture --argument state=on|off`; `restart-driver --argument driver=NAME`;
    `set-clock --argument station=ADDRESS`; `set-configuration --argument configuration=@gateway.toml`, which the gateway
    takes back when it does not reach the broker with it (`--argument within_s=60`), or when it leads to another broker and
    that is lost within a day (`--argument lost_s=900`). Exits with 1 where it was not done.
    """
    given = settings(config)
    arguments = dict(_argument(each) for each in argument or [])
    actor = operator()
    with connect(given) as connection:
        try:
            department = _department(connection, device)
            _known(action)
        except OperatorError:
            _note(connection, actor, action, device, "denied", "", "not sent")
            raise
        id_, payload = signing.command(signing.load(given.home), device, action, arguments, expires)
        # Written before it is sent: what was sent and is not in the log would be worse than the other way round.
        _note(connection, actor, action, device, "done", id_, "sent")
        state, reply = _send(reach(given).mqtt_url, f"city/v1/{department}/{device}", id_, payload, expires)
        _note(connection, actor, action, device, "done" if state == "done" else "denied", id_, state)
    if reply is None:
        raise OperatorError(
            f"{device} has not answered within {expires:g} s",
            "is it online, and is this hub's key (`cityhub device key`) in its file under hub_key?",
        )
    out.print_json(orjson.dumps(reply).decode())
    if state != "done":
        raise typer.Exit(1)


def _argument(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise OperatorError(f"--argument {text!r} has no value", "write --argument KEY=VALUE")
    if not value.startswith("@"):
        return name, value
    try:
        return name, Path(value[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"cannot read {value[1:]}: {error}", "give a text file in UTF-8") from error


def _known(action: str) -> None:
    if action not in ACTIONS:
        raise OperatorError(f"no action {action!r}", f"one of {', '.join(ACTIONS)}")


def _department(connection: psycopg.Connection, device: str) -> str:
    found = connection.execute(
        """select department.key from device join department on department.id = device.department_id
           where device.key = %s and device.retired_at is null""",
        (device,),
    ).fetchone()
    if found is None:
        raise OperatorError(f"no device {device} in service", "`cityhub device list` shows those there are")
    return str(found[0])


def _note(
    connection: psycopg.Connection,
    actor: str,
    action: str,
    device: str,
    outcome: audit.Outcome,
    id_: str,
    state: str,
) -> None:
    known = action if action in ACTIONS else "unknown"
    with connection.transaction(), connection.cursor() as cursor:
        audit.record(
            cursor,
            actor,
            f"device.command.{known}",
            f"device:{device}"[:100],
            outcome,
            {"id": id_, "state": state},
        )


def _send(url: str, topic: str, id_: str, payload: bytes, wait_s: float) -> tuple[str, dict[str, Any] | None]:
    """Publish, and wait for the last answer; `unanswered` where there is none."""
    answers: queue.Queue[dict[str, Any]] = queue.Queue()
    ready = threading.Event()
    address = Address(url)

    def heard(client: Client, _data: object, message: MQTTMessage) -> None:
        client.ack(message.mid, message.qos)
        try:
            said = orjson.loads(message.payload)
        except orjson.JSONDecodeError:
            return
        if isinstance(said, dict) and said.get("id") == id_:
            answers.put(said)

    client = dial(address, f"command-{id_}", protocol=dialect(address), lasting=False, in_flight=20)
    client.on_message = heard
    client.on_connect = lambda client, *_: client.subscribe(f"{topic}/reply", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.loop_start()
    try:
        if not ready.wait(CONNECT_S):
            raise Unreachable(f"the broker at {address} does not let us in")
        client.publish(f"{topic}/command", payload, qos=1)
        ends = time.monotonic() + wait_s
        while (left := ends - time.monotonic()) > 0:
            try:
                said = answers.get(timeout=left)
            except queue.Empty:
                break
            if said.get("state") == "applying":
                out.print(f"applying; at most {said.get('within_s')} s until it has reached the broker")
                ends = time.monotonic() + float(said.get("within_s", 60)) * 2 + 30
            if said.get("state") in FINAL:
                return str(said["state"]), said
        return "unanswered", None
    finally:
        client.disconnect()
        client.loop_stop()
