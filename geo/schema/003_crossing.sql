-- Crossings: who came into which zone and who left it, as the fences told it. Each is told once.
-- `hypertable` is made by the migration: on plain PostgreSQL it stays an ordinary table.
create table crossing (
    time         timestamptz not null,         -- when the evidence began
    told_at      timestamptz not null default now(),
    track_id     integer not null,             -- of `track`, which another part owns
    zone_id      integer not null,             -- zones are retired, not deleted: this name lasts
    zone_version integer not null,
    kind         text not null check (kind in ('enter', 'exit', 'cross', 'dwell', 'absent')),
    stayed_s     double precision              -- inside so far, gaps not counted: of exit and dwell
);
create unique index crossing_zone_time on crossing (zone_id, time, track_id, kind);
create index crossing_track_time on crossing (track_id, time);
create index crossing_time on crossing (time);
