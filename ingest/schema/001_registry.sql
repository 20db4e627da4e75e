-- Registry: who owns which device, what it measures, and the series that its readings fill.
create table department (
    id   integer generated always as identity primary key,
    -- 'alarm' would collide with the topic city/v1/alarm/...
    key  text not null unique check (key ~ '^[a-z0-9][a-z0-9-]{0,63}$' and key <> 'alarm'),
    name text not null
);

create table profile (
    key        text primary key check (key ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    body       jsonb not null,
    sha256     text not null,
    changed_at timestamptz not null default now()
);

create table device (
    id            integer generated always as identity primary key,
    key           text not null unique check (key ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    name          text not null,
    department_id integer not null references department,
    profile       text not null references profile,
    gateway_id    integer references device,   -- the device that may carry its readings
    zone_id       integer references zone,     -- the zone whose contents it counts (a camera's square)
    lon           double precision check (lon between -180 and 180),
    lat           double precision check (lat between -90 and 90),
    -- A recording is replayed in its own time: no wall clock judges it, and its alarms are exercises.
    recorded      boolean not null default false,
    clock_offset_s double precision,           -- estimated from arrivals; positive: the device is ahead
    created_at    timestamptz not null default now(),
    retired_at    timestamptz
);

-- The zones a device stands in, by its position; rewritten when devices or zones change.
create table device_zone (
    device_id integer not null references device on delete cascade,
    zone_id   integer not null references zone on delete cascade,
    primary key (device_id, zone_id)
);

-- A series is one metric of one device. Its id is also its slot in the hub's arrays: dense, never reused.
create table series (
    id           integer generated always as identity primary key,
    device_id    integer not null references device,
    metric       text not null,
    unit         text not null,                -- UCUM
    zone_id      integer references zone,      -- set where the series speaks of a zone (density)
    derived_from integer references series,    -- a derived series is computed from this one
    gain         double precision,             -- derived value = gain * value
    created_at   timestamptz not null default now(),
    unique (device_id, metric),
    check ((derived_from is null) = (gain is null))
);

-- The newest reading of every series by its own time; written with a commit, at most once a second.
create table latest (
    series_id integer primary key references series on delete cascade,
    time      timestamptz not null,
    value     double precision not null,
    flag      smallint not null
) with (fillfactor = 70);
