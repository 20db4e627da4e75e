"""The hub: one straight line from the inbox to the commit, wired here and nowhere else."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
import structlog

from alerts import rulebook, tally
from alerts.alarms import Alarms
from alerts.days import Days
from api.zoning import Turns
from cityhub.beat import Beat
from cityhub.channels import Channels
from cityhub.crowd.census import Census
from cityhub.following import Following
from cityhub.kernels import Kernels
from cityhub.remembering import Remembering
from cityhub.setback import Setback
from cityhub.sources import Listening
from cityhub.upkeep import REGISTRY_CHANNEL, Upkeep
from cityhub.warming import warm
from edge.reading import Rows, now_us
from ingest import held, posted, quota, report, store
from ingest.assemble import Assembler
from ingest.batch import Batch, Seen
from ingest.clock import Clocks
from ingest.counters import Counters
from ingest.dirty import Marks
from ingest.health import Health
from ingest.inbox import BATCH_MESSAGES, Inbox
from ingest.keeper import Keeper
from ingest.latest import Latest
from ingest.lifecycle import Retention
from ingest.order import Newest
from ingest.quota import Quota, Quotas
from ingest.records import write_archive, write_dead_letters, write_ledger, write_progress
from ingest.registry import Registry
from ingest.session import Session, Stopped
from ingest.writer import Writer

log = structlog.get_logger("cityhub.hub")

CHECKPOINT_EVERY_S = 10.0
BEAT_EVERY_S = 1.0
HEALTH_EVERY_S = 10.0
AWAY_S = 5.0
TAKEN_UP, TAKEN_UP_BYTES = 2_000, 16 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What the hub needs to know, all plain."""

    database_url: str
    mqtt_url: str
    rule_folders: tuple[Path, ...] = (rulebook.SHIPPED,)
    webhook_url: str = ""
    webhook_secret: str = ""
    webhook_allow_private: bool = False
    client_id: str = "cityhub"
    sources: tuple[str, ...] = ()
    retention: Retention = field(default_factory=Retention)
    days: Days = field(default_factory=lambda: Days("Asia/Shanghai"))
    device_quota: Quota = quota.DEVICE
    department_quota: Quota = quota.DEPARTMENT


class Hub:
    """The state of a running hub and the steps that a batch takes; `run` walks them until told to stop."""

    def __init__(self, plan: Plan, stopping: threading.Event) -> None:
        self._plan, self._stopping = plan, stopping
        self._run_id = uuid4()
        self._took_at = time.monotonic()
        self._registry, self._newest = Registry(self._look_again), Newest()
        self._counters = Counters()
        self._kernels = Kernels(self._registry, self._newest, rulebook.load(*plan.rule_folders), plan.days)
        self._session = Session(plan.database_url, stopping, REGISTRY_CHANNEL)
        self._listening = Listening(plan.sources, self._registry)
        self._inbox = Inbox(plan.mqtt_url, plan.client_id, self._listening.filters)
        self._census = Census(plan.database_url, self._inbox, self._registry, self._newest)
        self._setback = Setback(self._newest, self._kernels, self._census)
        self._channels = Channels(
            plan.database_url,
            self._inbox.publish,
            plan.webhook_url,
            plan.webhook_secret,
            allow_private=plan.webhook_allow_private,
        )
        self._alarms = Alarms(self._channels.names)
        self._clocks, self._quotas = Clocks(), Quotas(plan.device_quota, plan.department_quota)
        self._following = Following(
            plan.database_url, self._registry, self._clocks, self._session, plan.days, self._drain
        )
        self._fencing = self._following.fencing
        self._upkeep = Upkeep(
            self._session,
            self._registry,
            self._kernels,
            self._counters,
            self._census,
            self._following,
            self._quotas,
            self._alarms,
            setback=self._setback,
            drain=self._drain,
        )
        self._assembler = Assembler(
            self._registry,
            self._upkeep.slots,
            self._quotas,
            self._newest,
            self._clocks,
            self._ask,
            self._listening.foreign,
            self._counters,
            identity=self._following.identity,
            fix_judge=self._following.judge,
        )
        self._health = Health(
            self._inbox,
            self._quotas,
            self._registry,
            shed=lambda: self._listening.shed,
            failed=lambda: self._census.failed,
            set_back=self._setback.take_told,
        )
        self._latest, self._marks = Latest(), Marks()
        self._store = store.Store(
            plan.database_url,
            self._run_id,
            [
                write_archive,
                self._write_alarms,
                self._following.write,
                self._kernels.write,
                report.write,
                write_dead_letters,
                write_ledger,
                write_progress,
                self._latest.write,
                self._marks.write,
                held.write,
                posted.write,
            ],
        )
        self._writer = Writer(self._store, self._inbox, self._committed)
        self._beat = Beat(
            self._run_id,
            self._inbox,
            self._quotas,
            self._registry,
            self._writer,
            lambda: self._following.unread,
        )
        self._remembering = Remembering(
            self._session,
            self._registry,
            self._newest,
            self._clocks,
            self._kernels,
            self._following,
            self._census,
        )
        self._turns = Turns()

    def run(self) -> None:
        """Start everything, pass batches until `stopping` is set, then end in reverse order."""
        with ExitStack() as stack:
            stack.callback(self._session.close)
            self._session.run(lambda connection: self._alarms.register(connection, self._kernels.versions))
            warm()
            self._following.read()
            self._upkeep.begin()
            self._remembering.take_up()
            self._quotas.hold(self._session.run(held.waiting))
            self._took_at -= self._session.run(store.seconds_since_last_run)
            self._session.run(lambda _: self._store.begin())
            stack.callback(self._store.close)
            self._channels.start(stack)
            keeper = Keeper(self._plan.database_url, self._plan.retention, self._every_minute)
            keeper.start()
            stack.callback(keeper.close)
            self._following.start()
            stack.callback(self._following.close)
            self._census.start()
            stack.callback(self._census.close)
            self._writer.start()
            stack.callback(self._writer.close)
            self._inbox.start()
            stack.callback(self._inbox.close)
            self._listening.start(self._plan.mqtt_url, self._plan.client_id, self._inbox)
            stack.callback(self._listening.close)
            log.info("hub ready", series=len(self._registry.series), devices=len(self._registry.devices))
            try:
                self._pass_batches()
            except Stopped:
                log.warning("stopping while the database is away; what is not acknowledged comes again")
            if self._writer.waits:
                self._writer.abandon()
            elif self._writer.drain():
                self._remembering.save()
                self._session.run(self._beat.say)

    def _pass_batches(self) -> None:
        beat_at = saved_at = said_at = time.monotonic()
        while not self._stopping.is_set():
            if self._writer.fault is not None:
                raise self._writer.fault
            messages = self._inbox.take(timeout_s=0.2)
            self._following.redraw()
            self._allow_for_absence()
            if messages:
                self._pass(self._assembler.assemble(messages))
            self._census.advance(messages[-1].arrived_us if messages else now_us(), self._fencing)
            now = time.monotonic()
            if now - beat_at >= BEAT_EVERY_S:
                beat_at = now
                self._inbox.watch()
                self._listening.watch()
                self._listen()
                self._upkeep.look_again()
                self._setback.look()
                self._session.run(self._beat.say)
                if self._latest.behind or self._following.behind:
                    self._pass(Batch([]))  # nothing has come since: what is newest must be shown all the same
                self._take_up_held()
                self._take_up_posted()
            if now - said_at >= HEALTH_EVERY_S:
                said_at = now
                self._session.run(self._health.say)
            if now - saved_at >= CHECKPOINT_EVERY_S and self._writer.drain():
                saved_at = now
                self._remembering.save()

    def _pass(self, batch: Batch) -> None:
        """Judge a batch and hand it to the writer: flags and rules, then fences."""
        self._kernels.judge(batch)
        self._fencing.follow(batch)
        self._census.observe(batch)
        batch.events = self._census.explained(batch.events)
        self._writer.put(batch)

    def _listen(self) -> None:
        """Look who has fallen silent; a batch without messages carries the word to the writer."""
        away = not self._inbox.connected or self._writer.waits or self._inbox.waiting > BATCH_MESSAGES
        found = self._kernels.listen(away=bool(away))
        if found:
            self._writer.put(Batch([], events=found))

    def _allow_for_absence(self) -> None:
        """What nobody could take while hub, broker or database were away may come at once now."""
        now = time.monotonic()
        if self._inbox.connected:
            away, self._took_at = now - self._took_at, now
            if away > AWAY_S:
                self._quotas.grant(away)

    def _take_up_held(self) -> None:
        """Pass those of the held messages whose turn has come."""
        turns = self._quotas.turns(now_us(), TAKEN_UP)
        if turns:
            self._writer.drain()  # what is being written now may be among them
            ids, messages = self._session.run(lambda connection: held.oldest(connection, turns))
            if messages:
                self._pass(self._assembler.assemble(messages, taken_up=ids))

    def _take_up_posted(self) -> None:
        """Pass what has come over HTTP."""
        if not self._session.run(posted.waiting):
            return
        self._writer.drain()  # what is being written now is still among them
        ids, messages = self._session.run(
            lambda connection: posted.oldest(connection, TAKEN_UP, TAKEN_UP_BYTES)
        )
        if messages:
            batch = self._assembler.assemble(messages)
            batch.posted = ids
            self._pass(batch)

    def _every_minute(self, connection: psycopg.Connection) -> None:
        """In the keeper's thread."""
        tally.fold(connection, self._plan.days, now_us())
        self._turns.look(connection)

    def _write_alarms(self, cursor: psycopg.Cursor, batch: Batch) -> None:
        self._alarms.write(cursor, batch.events)

    def _committed(self, batch: Batch) -> None:
        """After the commit, in the writer's thread: wake the notifiers, count."""
        self._latest.committed(batch)
        self._marks.committed(batch)
        self._following.committed(batch)
        self._beat.count(batch)
        if batch.events:
            self._channels.wake()

    def _look_again(self) -> None:
        self._upkeep.look_again()

    def _drain(self) -> bool:
        return self._writer.drain()

    def _ask(self, rows: Rows) -> Seen:
        # What is being written now is not in the table yet: wait for it before asking.
        self._writer.drain()
        return self._session.run(lambda connection: store.known(connection, rows))
