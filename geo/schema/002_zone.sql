-- Zones in full: layers, validity, versions and what is asked at their border; and lines (rivers, doors and gates).

-- The box around a geometry; (lon, lat).
create function extent_of(geometry jsonb) returns box language sql immutable parallel safe as $$
    select box(point(min(lon), min(lat)), point(max(lon), max(lat)))
    from (select (place ->> 0)::double precision as lon, (place ->> 1)::double precision as lat
          from jsonb_path_query(geometry, 'strict $.coordinates.** ? (@[0].type() == "number")') as place) as places $$;

alter table zone
    add column layer      text not null default 'zones',
    add column floor      text,
    add column valid_from timestamptz,        -- outside these it is no fence, is not located, is not counted
    add column valid_to   timestamptz,        -- null: open
    add column department text,               -- a department's key: whose people are told; null: the hub's own
    add column camera     text,               -- a device's key: whose view on the ground it is (kind camera-view)
    add column exit_m     double precision check (exit_m >= 0),      -- null, here and below: as every fence (geo.fence)
    add column enter_s    double precision check (enter_s >= 0),
    add column exit_s     double precision check (exit_s >= 0),
    add column dwell_s    double precision check (dwell_s > 0),
    add column expected   text[] not null default '{}',              -- keys of devices that ought to be inside
    add column version    integer not null default 1,
    add column retired_at timestamptz,        -- its row stays: alarms, crossings and history name it
    add column extent     box,                -- around the geometry; written by the trigger where a writer leaves it out
    add constraint zone_valid_in_order check (valid_from < valid_to);
update zone set extent = extent_of(geometry);
alter table zone alter column extent set not null;
create index zone_extent on zone using gist (extent);

create table line (
    id          integer generated always as identity primary key,
    key         text not null unique check (key ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    name        text not null,
    kind        text not null check (kind in ('waterway', 'counting-line')),
    layer       text not null default 'zones',
    geometry    jsonb not null,               -- RFC 7946 LineString, WGS 84; a waterway is drawn downstream
    speed_m_s   double precision check (speed_m_s > 0),
    width_m     double precision check (width_m > 0),                -- of a counting line: its clear width
    counter     text,                         -- a device's key: what counts at it
    forward     text not null default 'in',   -- the counter's metrics
    backward    text not null default 'out',
    into_zone   text,                         -- keys of zones; null: outdoors. Forward leads out of from_zone into into_zone
    from_zone   text,
    department  text,
    version     integer not null default 1,
    imported_at timestamptz not null default now(),
    retired_at  timestamptz,
    extent      box not null
);
create index line_extent on line using gist (extent);

-- A new version for every change, whoever writes it.
create function shape_begins() returns trigger language plpgsql as $$
begin
    new.extent := coalesce(new.extent, extent_of(new.geometry));
    new.version := 1;
    return new;
end $$;
create function shape_changes() returns trigger language plpgsql as $$
begin
    new.version := old.version;
    new.imported_at := old.imported_at;
    if new.geometry is distinct from old.geometry and new.extent ~= old.extent then
        new.extent := extent_of(new.geometry);
    end if;
    if new *<> old then  -- byte by byte: a box knows no other equality than that of its area
        new.version := old.version + 1;
        new.imported_at := now();
    end if;
    return new;
end $$;
create trigger shape_begins before insert on zone for each row execute function shape_begins();
create trigger shape_changes before update on zone for each row execute function shape_changes();
create trigger shape_begins before insert on line for each row execute function shape_begins();
create trigger shape_changes before update on line for each row execute function shape_changes();

-- Every zone and line as it was, from when until when. Who and why: set_config('cityhub.who' / 'cityhub.because', ...,
-- true) in the transaction of the change. A version that lasted no time was changed again in the same transaction.
create table zone_history (
    zone_id    integer not null,              -- no reference: history outlives a row that was taken back
    version    integer not null,
    valid_from timestamptz not null,
    valid_to   timestamptz,                   -- null: it still holds
    who        text not null,
    because    text not null default '',
    record     jsonb not null,                -- the row of the zone, but for id, version and imported_at
    primary key (zone_id, version)
);
create index zone_history_span on zone_history (valid_from, valid_to);
create table line_history (
    line_id    integer not null,
    version    integer not null,
    valid_from timestamptz not null,
    valid_to   timestamptz,
    who        text not null,
    because    text not null default '',
    record     jsonb not null,
    primary key (line_id, version)
);

create function shape_who() returns text language sql stable as
$$ select coalesce(nullif(current_setting('cityhub.who', true), ''), 'cityhub') $$;
create function shape_because() returns text language sql stable as
$$ select coalesce(current_setting('cityhub.because', true), '') $$;

-- By statement, not by row: a city's 50,000 zones are one statement. `before` and `after` are its rows.
create function shape_history_begins() returns trigger language plpgsql as $$
begin
    execute format(
        'insert into %1$I_history (%1$I_id, version, valid_from, who, because, record)
         select id, version, now(), shape_who(), shape_because(), to_jsonb(after) - ''{id,version,imported_at}''::text[]
         from after', tg_table_name);
    return null;
end $$;
create function shape_history_goes_on() returns trigger language plpgsql as $$
begin
    -- A transaction that began before the last change was written must not end a version before its beginning.
    execute format(
        'with ended as (
             update %1$I_history as past set valid_to = greatest(now(), past.valid_from)
             from before join after using (id)
             where past.%1$I_id = before.id and past.version = before.version and after.version > before.version
             returning past.%1$I_id as id, past.valid_to)
         insert into %1$I_history (%1$I_id, version, valid_from, who, because, record)
         select id, version, ended.valid_to, shape_who(), shape_because(),
                to_jsonb(after) - ''{id,version,imported_at}''::text[]
         from after join ended using (id)', tg_table_name);
    return null;
end $$;
create function shape_history_ends() returns trigger language plpgsql as $$
begin
    execute format(
        'update %1$I_history as past set valid_to = greatest(now(), past.valid_from)
         from before where past.%1$I_id = before.id and past.valid_to is null', tg_table_name);
    return null;
end $$;
create trigger shape_history_begins after insert on zone referencing new table as after
    for each statement execute function shape_history_begins();
create trigger shape_history_goes_on after update on zone referencing old table as before new table as after
    for each statement execute function shape_history_goes_on();
create trigger shape_history_ends after delete on zone referencing old table as before
    for each statement execute function shape_history_ends();
create trigger shape_history_begins after insert on line referencing new table as after
    for each statement execute function shape_history_begins();
create trigger shape_history_goes_on after update on line referencing old table as before new table as after
    for each statement execute function shape_history_goes_on();
create trigger shape_history_ends after delete on line referencing old table as before
    for each statement execute function shape_history_ends();

-- What was imported before this file was applied: nobody knows since when it was so.
insert into zone_history (zone_id, version, valid_from, who, because, record)
select id, version, imported_at, 'cityhub', 'imported before the history began',
       to_jsonb(zone) - '{id,version,imported_at}'::text[] from zone;

-- The zones that hold now.
create view zone_in_force as
select * from zone
where retired_at is null and (valid_from is null or valid_from <= now()) and (valid_to is null or valid_to > now());

-- The zones that held at a moment, as they were then.
create function zone_on(at timestamptz) returns setof zone language sql stable as $$
    select past.* from zone_history cross join lateral
        jsonb_populate_record(null::zone, record || jsonb_build_object('id', zone_id, 'version', version)) as past
    where zone_history.valid_from <= at and (zone_history.valid_to is null or zone_history.valid_to > at)
      and past.retired_at is null
      and (past.valid_from is null or past.valid_from <= at) and (past.valid_to is null or past.valid_to > at) $$;
