-- Positions: tracks, their fixes, and the salt of the day that names those who have no name.
-- `hypertable` is made by the migration: on plain PostgreSQL `fix` stays an ordinary table.

-- A track is a device that tells its own place (its name is the device's key), or somebody whom a camera sees (its name
-- is a token of the day, '~' and sixteen digits).
create table track (
    id        integer generated always as identity primary key,
    device_id integer not null references device,   -- whose place it is; of a token, who sees it
    name      text not null,
    anonymous boolean not null generated always as (name like '~%') stored,
    first_at  timestamptz not null,                 -- of its fixes; written within seconds
    last_at   timestamptz not null,
    seen_at   timestamptz not null default now(),   -- when the hub wrote this last
    unique (device_id, name)
) with (fillfactor = 70);
create index track_last on track (last_at);

create table fix (
    time     timestamptz not null,
    track_id integer not null,
    lon      double precision not null,             -- WGS 84
    lat      double precision not null,
    accuracy real not null,                         -- metres; NaN: the source says nothing
    outcome  smallint not null                      -- 0 believed, 1 late, 2 jump, 3 vague (geo.track)
);
create unique index fix_track_time on fix (track_id, time);

-- In no log, no replica and no base backup; deleted an hour after its day. Lost in a crash: then tokens are new.
create unlogged table track_salt (
    day  integer primary key,                       -- local days since 1970
    salt bytea not null
);

-- The few that tell their places in a shifted datum; every refresh of the hub's registry asks for them.
create index device_shifted on device (id) where datum in ('GCJ02', 'BD09');

-- Positions as they came are kept no longer than the fixes of people.
create index message_position on message (arrived_at) where parser like 'position-%';
