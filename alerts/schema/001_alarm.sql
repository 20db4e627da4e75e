-- Rules that judged, alarms they raised, every step of each alarm, and what is to be sent.
create table rule_version (
    id      integer generated always as identity primary key,
    rule    text not null,
    sha256  text not null,
    body    jsonb not null,
    seen_at timestamptz not null default now(),
    unique (rule, sha256)
);

create table alarm (
    id               bigint generated always as identity primary key,
    rule             text not null,
    series_id        integer not null,
    device_id        integer not null references device,
    zone_id          integer references zone,
    exercise         boolean not null,           -- raised by a recording: never a real event
    level            smallint not null check (level between 0 and 4),   -- 0 normal, 1 blue IV ... 4 red I
    peak_level       smallint not null,
    value            double precision not null,  -- of the reading that moved it last
    threshold        double precision,
    raised_at        timestamptz not null,       -- the readings' own time
    changed_at       timestamptz not null,
    returned_at      timestamptz,
    acknowledged_at  timestamptz,                -- wall clock, by a person
    acknowledged_by  text,
    recorded_at      timestamptz not null default now()
);
create unique index alarm_standing on alarm (rule, series_id) where returned_at is null;
create index alarm_open on alarm (level desc, raised_at) where returned_at is null or acknowledged_at is null;

create table alarm_transition (
    id              bigint generated always as identity primary key,
    alarm_id        bigint not null references alarm,
    kind            text not null check (kind in ('raised', 'escalated', 'lowered', 'returned', 'acknowledged', 'commented')),
    from_level      smallint not null,
    to_level        smallint not null,
    at              timestamptz not null,        -- event time for the rule's steps, wall clock for a person's
    recorded_at     timestamptz not null default now(),
    value           double precision,
    reading_time    timestamptz,                 -- with the alarm's series: the reading that moved it
    rule_version_id integer references rule_version,
    actor           text,
    comment         text
);
create index alarm_transition_alarm on alarm_transition (alarm_id, id);

-- To be sent, written with the change itself. One row per transition and channel; sent at least once.
create table outbox (
    id            bigint generated always as identity primary key,
    transition_id bigint not null references alarm_transition,
    channel       text not null,
    body          jsonb not null,
    created_at    timestamptz not null default now(),
    next_at       timestamptz not null default now(),
    attempts      integer not null default 0,
    sent_at       timestamptz,
    dead_at       timestamptz,
    last_error    text,
    unique (transition_id, channel)
);
create index outbox_due on outbox (next_at) where sent_at is null and dead_at is null;
