"""Acknowledging: a person takes an alarm, and everyone is told. A text, for the API executes it on an asynchronous cursor."""

CHANNEL = "cityhub_alarm"
"""NOTIFY channel: carries the id of every new alarm transition."""

ACKNOWLEDGE = """
    with taken as (
        update alarm set acknowledged_at = now(), acknowledged_by = %(who)s where id = %(alarm)s::bigint
        returning id, level
    ), told as (
        insert into alarm_transition (alarm_id, kind, from_level, to_level, at, actor, comment)
        select id, 'acknowledged', level, level, now(), %(who)s, %(comment)s from taken returning id
    )
    select pg_notify(%(channel)s, id::text) from told"""
