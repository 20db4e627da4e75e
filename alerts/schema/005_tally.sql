-- What judged: a profile's checks, and the kernels that applied them. Every version that ever did is kept.
create table check_version (
    id      integer generated always as identity primary key,
    profile text not null,
    sha256  text not null,
    body    jsonb not null,
    seen_at timestamptz not null default now(),
    unique (profile, sha256)
);

-- How good each series was on each day, counted while its readings passed. Every quality score is a join over this.
create table quality_tally (
    series_id    integer not null,
    day          date not null,                -- local to the city; a slot belongs to the day in which it begins
    interval_us  bigint not null,              -- of the series, as slots were counted
    due          integer not null,             -- slots that begin on this day
    filled       integer not null default 0,   -- slots with at least one reading that is neither failed nor missing
    received     bigint not null default 0,    -- stored + duplicate + those refused for their value
    stored       bigint not null default 0,
    duplicate    bigint not null default 0,
    on_time      bigint not null default 0,    -- of the stored, as all below: came within the hub's bound for late
    out_of_order bigint not null default 0,
    tested       bigint not null default 0,    -- at least one check has judged it
    suspect      bigint not null default 0,
    failed       bigint not null default 0,
    compared     bigint not null default 0,    -- held against a neighbour
    agreeing     bigint not null default 0,
    judged_by    integer[] not null default '{}',  -- check_version
    primary key (series_id, day)
) with (fillfactor = 70);
create index quality_tally_day on quality_tally (day);

-- Counts that are committed with their readings and not yet added above. One row for each day, interval, version and
-- outcome of a batch: the series, and how often each (none: once each).
create table tally_pending (
    id          bigint generated always as identity,
    day         date not null,
    interval_us bigint not null,
    judged_by   integer not null,
    outcome     smallint not null,             -- bits: alerts/checks/tally.py
    series      integer[] not null,
    times       integer[]
);
-- Sorted or not, a few thousand numbers: compressing them costs more than it saves.
alter table tally_pending alter column series set storage external, alter column times set storage external;

-- The last day for which every series in service has its row, also those that say nothing.
create table tally_state (
    only_one boolean primary key default true check (only_one),
    opened   date
);
insert into tally_state default values;
