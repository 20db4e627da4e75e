-- The registry in full: the life of a device, where it stands and by which datum, whose it is, and as it was on any day.
alter table device
    add column state text not null default 'commissioned'
        check (state in ('planned', 'installed', 'commissioned', 'suspended', 'retired')),
    add column maintainer_id integer references department,  -- who looks after it; department_id is who owns it
    -- lon and lat are WGS 84; what the list said is kept beside them, for nothing is converted twice
    add column datum text not null default 'WGS84' check (datum in ('WGS84', 'CGCS2000', 'GCJ02', 'BD09')),
    add column given_lon double precision,
    add column given_lat double precision,
    -- the grid of city management: district > street > community > cell
    add column district text,
    add column street text,
    add column community text,
    add column grid_cell text,
    add column component text unique check (component ~ '^[0-9]{16}$'),
    -- what its levels are counted from; a reading + vertical_offset_m is a height in that datum
    add column vertical_datum text check (vertical_datum in
        ('1985', '1956-yellow-sea', 'wusong', 'abandoned-yellow-river', 'pearl-river', 'local')),
    add column vertical_offset_m double precision,
    add column sensor_serial text;
update device set state = 'retired' where retired_at is not null;
alter table device add constraint device_retired_has_a_day check ((state = 'retired') = (retired_at is not null));
-- The few that every refresh of the hub's registry asks for.
create index device_apart on device (id) where state <> 'commissioned';
create index device_vertical on device (id) where vertical_datum is not null;

-- Whoever writes only one of the two means both.
create function device_retires() returns trigger language plpgsql as $$
begin
    if new.state = 'retired' and new.retired_at is null then
        if old.state = 'retired' then new.state := 'commissioned'; else new.retired_at := now(); end if;
    elsif new.state <> 'retired' and new.retired_at is not null then
        if old.retired_at is null then new.state := 'retired'; else new.retired_at := null; end if;
    end if;
    return new;
end $$;
create trigger device_retires before update of state, retired_at on device for each row execute function device_retires();
create function device_begins_retired() returns trigger language plpgsql as $$
begin
    if new.retired_at is not null then new.state := 'retired'; end if;
    if new.state = 'retired' then new.retired_at := coalesce(new.retired_at, now()); end if;
    return new;
end $$;
create trigger device_begins_retired before insert on device for each row
    when (new.retired_at is not null or new.state = 'retired') execute function device_begins_retired();

-- A device as people write it: keys in place of ids.
create view device_record as
select device.id, device.key, device.name, owner.key as department, maintainer.key as maintainer, device.profile,
       gateway.key as gateway, zone.key as counts_zone, device.state, device.lon, device.lat, device.datum,
       device.given_lon, device.given_lat, device.district, device.street, device.community, device.grid_cell,
       device.component, device.vertical_datum, device.vertical_offset_m, device.sensor_serial
from device join department owner on owner.id = device.department_id
     left join department maintainer on maintainer.id = device.maintainer_id
     left join device gateway on gateway.id = device.gateway_id
     left join zone on zone.id = device.zone_id;

-- Every device as it was, from when until when; written by triggers, so that no writer can leave it out.
-- Who and why: set_config('cityhub.who' / 'cityhub.because', ..., true) in the transaction of the change.
create table device_history (
    device_id  integer not null,              -- no reference: history outlives a row that was taken back
    key        text not null,
    valid_from timestamptz not null,
    valid_to   timestamptz,                   -- null: it still holds
    who        text not null,
    because    text not null default '',
    record     jsonb not null,                -- a row of device_record
    primary key (device_id, valid_from)
);
create index device_history_key on device_history (key, valid_from);
create index device_history_import on device_history (valid_from);

create function device_who() returns text language sql stable as
$$ select coalesce(nullif(current_setting('cityhub.who', true), ''), 'cityhub') $$;
create function device_because() returns text language sql stable as
$$ select coalesce(current_setting('cityhub.because', true), '') $$;

create function device_history_begins() returns trigger language plpgsql as $$
begin
    insert into device_history (device_id, key, valid_from, who, because, record)
    select fresh.id, fresh.key, now(), device_who(), device_because(), to_jsonb(device_record) - 'id'
    from fresh join device_record on device_record.id = fresh.id
    on conflict (device_id, valid_from) do update set record = excluded.record, valid_to = null;
    return null;
end $$;
create trigger device_history_begins after insert on device referencing new table as fresh
    for each statement execute function device_history_begins();

-- Not of clock_offset_s, which the hub writes every few seconds.
create function device_history_goes_on() returns trigger language plpgsql as $$
declare
    now_so jsonb := (select to_jsonb(device_record) - 'id' from device_record where id = new.id);
    since timestamptz;
begin
    update device_history set valid_to = now()
        where device_id = new.id and valid_to is null and valid_from < now() and record is distinct from now_so;
    if found then
        insert into device_history (device_id, key, valid_from, who, because, record)
        values (new.id, new.key, now(), device_who(), device_because(), now_so);
        return null;
    end if;
    -- Changed twice in one transaction: nobody saw what was between.
    update device_history set record = now_so, key = new.key where device_id = new.id and valid_from = now();
    if not found then  -- a transaction that began after this one has changed it before this one did
        update device_history set valid_to = valid_from + interval '1 microsecond'
            where device_id = new.id and valid_to is null and record is distinct from now_so returning valid_to into since;
        insert into device_history (device_id, key, valid_from, who, because, record)
        select new.id, new.key, since, device_who(), device_because(), now_so where since is not null;
    end if;
    return null;
end $$;
create trigger device_history_goes_on after update of
    key, name, department_id, profile, gateway_id, zone_id, lon, lat, retired_at, state, maintainer_id, datum, given_lon,
    given_lat, district, street, community, grid_cell, component, vertical_datum, vertical_offset_m, sensor_serial
    on device for each row when (old.* is distinct from new.*) execute function device_history_goes_on();

create function device_history_ends() returns trigger language plpgsql as $$
begin
    update device_history set valid_to = greatest(now(), valid_from) where device_id = old.id and valid_to is null;
    return null;
end $$;
create trigger device_history_ends after delete on device for each row execute function device_history_ends();

-- What was registered before this file was applied: nobody knows since when it was so.
insert into device_history (device_id, key, valid_from, who, because, record)
select id, key, now(), 'cityhub', 'registered before the history began', to_jsonb(device_record) - 'id' from device_record;

-- A sensor changed for another: the series go on, and this is where a step in them comes from.
create table sensor_swap (
    id            bigint generated always as identity primary key,
    device_id     integer not null references device on delete cascade,
    at            timestamptz not null default now(),
    serial_before text,
    serial_after  text not null,
    who           text not null,
    because       text not null
);
create index sensor_swap_device on sensor_swap (device_id, at);

-- Lists that were tried or applied, with what they replaced, so that it can be put back.
create table device_import (
    id            bigint generated always as identity primary key,
    created_at    timestamptz not null default now(),
    who           text not null,
    department_id integer references department,     -- held to this department; null: the whole city
    file          text not null,
    sha256        text not null,
    content       bytea,                             -- kept until it is applied
    summary       jsonb not null,                    -- how many rows are new, changed, the same, at fault
    applied_at    timestamptz,
    undone_at     timestamptz
);
create table device_import_row (
    import_id bigint not null references device_import on delete cascade,
    key       text not null,
    before    jsonb,                                 -- as it was before, with its addresses; null: it is new
    primary key (import_id, key)
);
