"""A listener: one TCP port, one thread and one fsync for thousands of links, each with a dialogue of its own."""

from __future__ import annotations

import resource
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol

import structlog

from edge.drivers.conversation import Ask, Conversation, Counts, Watch
from edge.drivers.dialogue import Heard, MakeDialogue, Note, Sample
from edge.drivers.strangers import EACH, GREETING_S, Strangers
from edge.journal import JournalBroken, JournalFull
from edge.positions import Fix
from edge.reading import now_us

log = structlog.get_logger("edge.listener")

GROUP_S = 0.1  # one fsync serves all that arrived within this time
TICK_S = 1.0
GROUP_BYTES = 256 << 10  # read from one link in one grouping time; the rest waits in its socket
UNSENT_BYTES = 256 << 10  # answers that the other end does not take
GREET_AT_ONCE = 128
LINKS = 4_096
IDLE_S = 3_900.0  # a station that reports every hour stays connected
ORDERS = 1_000  # waiting for the next tick
FAREWELL_S = 30.0  # for the last answer to be taken
SPARE_FILES = 256


class Accept(Protocol):
    """edge.agent.Agent.accept, or what stands before it."""

    def __call__(self, samples: Iterable[Sample], fixes: Iterable[Fix] = ()) -> None:
        """Make durable; raises JournalFull."""


class Link:
    """One connected station, or what carries several."""

    __slots__ = ("arrived", "arrived_us", "awake", "conversation", "done", "events", "socket", "unsent")

    def __init__(self, connection: socket.socket, conversation: Conversation) -> None:
        self.socket, self.conversation = connection, conversation
        self.arrived = bytearray()  # in this grouping time
        self.arrived_us = 0
        self.unsent = bytearray()
        self.awake = time.monotonic()  # when it said something last
        self.events = 0  # what the selector watches for
        self.done = False  # it is not heard any more, and dropped when it has been answered


class Listener:
    """Carries any dialogue. Answers go out when what was heard is in the journal, and not before."""

    def __init__(
        self,
        kind: str,
        accept: Accept,
        make: MakeDialogue,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        links: int = LINKS,
        idle_s: float = IDLE_S,
        greeting_s: float = GREETING_S,
        silent_each: int = EACH,
        watch: Watch | None = None,
    ) -> None:
        """Raises OSError where it cannot listen. At most `links` at once; one silent for `idle_s` is closed.

        A link on which no station has said a frame within `greeting_s` is closed, too; it makes room sooner where all
        links are taken, or where its address has `silent_each` of them. One that has spoken keeps its place.
        """
        self.kind = kind
        self._accept, self._make = accept, make
        self._limit, self._idle_s = links, idle_s
        self._watch = watch or Watch()
        _allow_files(links + SPARE_FILES)
        self._listener = socket.create_server((host, port), backlog=1_024)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.total = Counts()
        self.turned_away = self.let_go = 0
        self._strangers: Strangers[Link] = Strangers(greeting_s, silent_each)
        self.fault: Exception | None = None
        self._links: dict[int, Link] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._stopping = threading.Event()
        self._orders: deque[tuple[str, Ask]] = deque(maxlen=ORDERS)
        self._tick_at = 0.0
        self._thread = threading.Thread(target=self._run, name=kind, daemon=True)

    @property
    def refused(self) -> int:
        """Frames and lines that said nothing."""
        return self.total.refused

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Take what has arrived, answer, and hang up."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        else:
            self._listener.close()
            self._selector.close()

    def links(self) -> list[Conversation]:
        """The links that are open now; for the status, from any thread."""
        return [link.conversation for link in list(self._links.values())]

    def order(self, station: str, ask: Ask) -> bool:
        """Have the link of a station ask it something; False where it is not connected. From any thread."""
        if not any(station in link.stations for link in self.links()):
            return False
        self._orders.append((station, ask))
        return True

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._serve_group()
        except JournalBroken as error:
            self.fault = error  # the agent's main thread sees it and stops the process
            log.critical("journal broken, nothing is accepted any more", error=str(error))
        except Exception as error:
            self.fault = error  # a port that takes connections and answers nobody would go unseen for days
            log.exception("driver fails, nothing is accepted any more", driver=self.kind)
        finally:
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]  # only sockets are registered
            self._selector.close()
            self._links.clear()

    def _serve_group(self) -> None:
        """Read for one grouping time, make it durable with one append, then answer everybody."""
        spoke: dict[Link, None] = {}
        ends = time.monotonic() + GROUP_S
        while (left := ends - time.monotonic()) > 0:
            for key, events in self._selector.select(left):
                if key.fileobj is self._listener:
                    self._greet()
                    continue
                link: Link = key.data
                if events & selectors.EVENT_WRITE:
                    self._send(link)
                if events & selectors.EVENT_READ and self._read(link):
                    spoke[link] = None
        heard = [(link, self._hear(link)) for link in spoke]
        if ends >= self._tick_at:
            self._tick_at = ends + TICK_S
            heard += self._tick()
        self._answer(heard)

    def _answer(self, heard: list[tuple[Link, Heard]]) -> None:
        samples = [sample for _, each in heard for sample in each.samples]
        fixes = [fix for _, each in heard for fix in each.fixes]
        if samples or fixes:
            try:
                self._accept(samples, fixes)
            except JournalFull as error:
                # Not accepted: hang up without an answer, so that the stations keep their readings and come back.
                log.warning("readings not accepted", reason=str(error), samples=len(samples) + len(fixes))
                for link, each in heard:
                    if each.readings:
                        link.conversation.refused(each.readings, str(error))
                        self._drop(link)
        for link, each in heard:
            if each.keep and link.socket.fileno() != -1:
                try:
                    self._watch.kept.put(each.keep)
                except OSError as error:  # as with a full journal
                    log.warning("not kept", link=link.conversation.name, reason=str(error))
                    link.conversation.not_kept(str(error))
                    self._drop(link)
        for link, each in heard:
            if each.reply and link.socket.fileno() != -1:
                link.conversation.said(each.reply, now_us())
                link.unsent += each.reply
                self._send(link)
            link.done |= each.hang_up
            self._watch_for(link)

    def _greet(self) -> None:
        for _ in range(GREET_AT_ONCE):
            try:
                connection, (host, port, *_) = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # it has gone again, or we have no descriptor left for it
                log.warning("station not let in", driver=self.kind, reason=str(error))
                self._stopping.wait(GROUP_S)
                return
            now, full = time.monotonic(), len(self._links) >= self._limit
            if stranger := self._strangers.in_the_way(host, now, full=full):
                self._let_go(stranger, "it made room for another" if full else f"one of many from {host}")
            if len(self._links) >= self._limit:
                self.turned_away += 1
                connection.close()
                continue
            connection.setblocking(False)
            name = f"{self.kind}/{host}:{port}"
            link = Link(connection, Conversation(name, self._make(), self.total, self._watch, now_us()))
            self._links[connection.fileno()] = link
            self._strangers.add(link, host, now)
            self._watch_for(link)

    def _read(self, link: Link) -> bool:
        """Take what has come; whether there is something to hear, be it the end of the stream."""
        if link.done:
            return False
        try:
            data = link.socket.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError as error:
            log.info("link lost", link=link.conversation.name, reason=str(error))
            self._drop(link)
            return False
        if not link.arrived:
            link.arrived_us = now_us()
        link.arrived += data
        if not data:  # it has said all; it may still listen for the answer
            link.done = True
        if link.done or len(link.arrived) >= GROUP_BYTES:
            self._watch_for(link, reading=False)
        return True

    def _hear(self, link: Link) -> Heard:
        data = bytes(link.arrived)
        link.arrived.clear()
        if not data:
            return Heard()
        link.awake = time.monotonic()
        heard = link.conversation.hear(data, link.arrived_us)
        if heard.frames and link.conversation.stations:
            self._strangers.forget(link)
        return heard

    def _tick(self) -> list[tuple[Link, Heard]]:
        """What the dialogues say of themselves; a link that was silent for too long is let go."""
        heard: list[tuple[Link, Heard]] = []
        at_us, now = now_us(), time.monotonic()
        for link in self._strangers.overdue(now):
            self._let_go(link, "its time was up")
        orders = [self._orders.popleft() for _ in range(len(self._orders))]
        for link in list(self._links.values()):
            if now - link.awake > (min(FAREWELL_S, self._idle_s) if link.done else self._idle_s):
                log.info("link silent for too long", link=link.conversation.name, idle_s=self._idle_s)
                self._drop(link)
                continue
            for station, ask in orders:
                if station in link.conversation.stations:
                    link.conversation.order(ask)
            each = link.conversation.tick(at_us)
            if each.samples or each.reply or each.hang_up or each.keep:
                heard.append((link, each))
        return heard

    def _send(self, link: Link) -> None:
        """Hand the socket what it takes."""
        try:
            sent = link.socket.send(link.unsent) if link.unsent else 0
        except BlockingIOError:
            sent = 0
        except OSError as error:
            log.info("link does not listen", link=link.conversation.name, reason=str(error))
            self._drop(link)
            return
        del link.unsent[:sent]
        if len(link.unsent) > UNSENT_BYTES:
            log.warning("link takes no answers", link=link.conversation.name, bytes=len(link.unsent))
            self._drop(link)
        elif not link.unsent and link.events & selectors.EVENT_WRITE:
            self._watch_for(link)

    def _watch_for(self, link: Link, *, reading: bool = True) -> None:
        """Have the selector watch for what the link may do next; drop it where that is nothing."""
        if link.socket.fileno() == -1:
            return
        wanted = selectors.EVENT_WRITE if link.unsent else 0
        if reading and not link.done:
            wanted |= selectors.EVENT_READ
        if not wanted and link.done and not link.arrived and reading:
            self._drop(link)
        elif wanted != link.events:
            if not wanted:
                self._selector.unregister(link.socket)
            elif link.events:
                self._selector.modify(link.socket, wanted, link)
            else:
                self._selector.register(link.socket, wanted, link)
            link.events = wanted

    def _let_go(self, link: Link, why: str) -> None:
        """Drop a link on which no station has spoken."""
        self.let_go += 1
        name = link.conversation.name
        self._watch.note(name, Note(name, "no-greeting", f"no station has said a frame on it: {why}"))
        self._drop(link)

    def _drop(self, link: Link) -> None:
        number = link.socket.fileno()
        if number == -1:
            return
        if link.events:
            self._selector.unregister(link.socket)
            link.events = 0
        self._links.pop(number, None)
        self._strangers.forget(link)
        link.socket.close()

    def as_status(self) -> dict[str, Any]:
        """The port and its links, for the status file."""
        return {
            "kind": self.kind,
            "port": self.port,
            "turned_away": self.turned_away,
            "let_go": self.let_go,
            **self.total.as_status(),
            "links": [link.as_status() for link in self.links()],
        }


def _allow_files(wanted: int) -> None:
    """Raise the soft limit of open files, as far as the hard one allows: every link is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if most < wanted:
            log.warning("fewer links than asked for: the limit of open files", links=most - SPARE_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
