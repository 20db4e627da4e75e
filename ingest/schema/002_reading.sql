-- Readings, what became of every message, and the book that must balance.
-- `hypertable` is made by the migration: on plain PostgreSQL these stay ordinary tables.
create table reading (
    time      timestamptz not null,
    series_id integer not null,
    value     double precision not null,
    flag      smallint not null                -- IOOS QARTOD: 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing
);
create unique index reading_series_time on reading (series_id, time);

-- Raw archive: each message as it came, so that a stored reading leads back to its bytes.
create table message (
    arrived_at timestamptz not null,
    device_id  integer,
    topic      text not null,
    first_time timestamptz,                    -- span of the reading times inside
    last_time  timestamptz,
    readings   integer not null,
    parser     text not null,                  -- name and version of the codec that read it
    payload    bytea not null
);
create index message_device_span on message (device_id, arrived_at);

-- What could not be taken, with its bytes and a reason. The same bytes for the same reason are one row, seen `times`.
create table dead_letter (
    id         bigint generated always as identity primary key,
    digest     bytea not null,                 -- of topic and payload
    reason     text not null,
    detail     text not null,
    device_id  integer,
    topic      text not null,
    payload    bytea not null,
    readings   integer not null,
    times      integer not null default 1,
    first_at   timestamptz not null,
    last_at    timestamptz not null,
    unique (digest, reason)
);
create index dead_letter_last on dead_letter (last_at);

-- Per minute of arrival and device (0: sender unknown): received = stored + duplicate + quarantined + rejected.
create table ledger_minute (
    minute      timestamptz not null,
    device_id   integer not null,
    messages    bigint not null default 0,
    received    bigint not null default 0,
    stored      bigint not null default 0,
    duplicate   bigint not null default 0,
    quarantined bigint not null default 0,
    rejected    bigint not null default 0,
    late        bigint not null default 0,     -- of the stored
    flagged     bigint not null default 0,     -- of the stored: suspect or fail
    derived     bigint not null default 0,     -- computed beside the received, not part of the balance
    primary key (minute, device_id)
);

-- How far each boot of each edge agent is committed; the first range's end is what `committed` says.
create table edge_progress (
    device_id integer not null references device,
    boot      text not null,
    committed int8multirange not null,
    seen_at   timestamptz not null,
    primary key (device_id, boot)
);

-- One row per run of the hub: the number of its last committed batch resolves a commit whose outcome is unknown.
create table hub_run (
    id           uuid primary key,
    started_at   timestamptz not null default now(),
    batch        bigint not null default 0,
    beat_at      timestamptz not null default now(),
    status       jsonb not null default '{}'
);

-- Kernel state by slot, saved at a commit; a start loads it and feeds what came after.
create table checkpoint (
    name     text primary key,
    body     bytea not null,
    saved_at timestamptz not null default now()
);
