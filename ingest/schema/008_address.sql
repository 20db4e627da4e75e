-- What a platform or a camera calls a device: scheme 'chirpstack' and its devEui, 'sparkplug' and group/edge/device.
create table device_address (
    scheme    text not null check (scheme ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    address   text not null check (length(address) between 1 and 500),
    device_id integer not null references device on delete cascade,
    primary key (scheme, address)
);
create index device_address_device on device_address (device_id);

-- What devices report of themselves beside readings. The same bytes on the same topic are one event.
create table event (
    id         bigint generated always as identity primary key,
    device_id  integer not null references device,
    time       timestamptz not null,           -- its own
    type       text not null,
    data       jsonb not null,
    arrived_at timestamptz not null,
    digest     bytea not null unique
);
create index event_device on event (device_id, id);
create index event_arrived on event (arrived_at);

-- Whether a device says that it is there: its birth, or its last will in the broker's words.
create table device_status (
    device_id integer primary key references device on delete cascade,
    state     text not null check (state in ('online', 'offline')),
    since     timestamptz not null,            -- arrival of the first message that said so
    body      jsonb not null                   -- all that the message said
);

-- Telemetry that came over HTTP: on disk when its sender is answered, taken up by the hub with the next batch.
create table posted_message (
    id         bigint generated always as identity primary key,
    topic      text not null,
    payload    bytea not null,
    arrived_at timestamptz not null default now()
);
