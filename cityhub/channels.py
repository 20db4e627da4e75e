"""Channels: the ways on which people hear of alarms, each with a notifier of its own."""

from __future__ import annotations

from contextlib import ExitStack

import structlog

from alerts.notifier import Deliver, Notice, Notifier
from alerts.rule import LEVEL_NAMES
from alerts.webhook import Webhook
from cityhub.topics import AlarmTopics, Publish

log = structlog.get_logger("cityhub.channels")


class Channels:
    """The log, the alarm topics, and a webhook where one is given."""

    def __init__(
        self, database_url: str, publish: Publish, webhook_url: str, secret: str, *, allow_private: bool
    ) -> None:
        """`publish` is how the topics reach the broker; without a `webhook_url` there is no webhook."""
        self._database_url, self._publish = database_url, publish
        self._webhook_url, self._secret, self._allow_private = webhook_url, secret, allow_private
        self.names = ["log", "topic", *(["webhook"] if webhook_url else [])]
        self._notifiers: list[Notifier] = []

    def start(self, stack: ExitStack) -> None:
        """Begin to deliver, until the stack unwinds."""
        for name in self.names:
            notifier = Notifier(self._database_url, name, self._deliverer(name, stack))
            notifier.start()
            stack.callback(notifier.close)
            self._notifiers.append(notifier)

    def wake(self) -> None:
        """Something is to be told; from any thread."""
        for notifier in self._notifiers:
            notifier.wake()

    def _deliverer(self, name: str, stack: ExitStack) -> Deliver:
        if name == "log":
            return say
        if name == "topic":
            return AlarmTopics(self._publish)
        hook = Webhook(self._webhook_url, self._secret.encode(), allow_private=self._allow_private)
        stack.callback(hook.close)
        return hook


def say(notice: Notice) -> None:
    """The log channel: one line a transition."""
    body = notice.body
    log.warning(
        "alarm",
        kind=body["kind"],
        alarm_level=LEVEL_NAMES[body["level"]],
        title=("EXERCISE " if body["exercise"] else "") + str(body["title"]),
        device=body["device"],
        value=f"{body['value']:g} {body['unit']}",
        limit=body["threshold"],
        zone=body["zone"],
        at=body["at"],
    )
