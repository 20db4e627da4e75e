-- Acceptance: the card that was measured when a device was taken over, who signed it, and the picture of the place.
create table device_photo (
    id         integer generated always as identity primary key,
    device_id  integer not null references device,
    taken_by   text not null,
    created_at timestamptz not null default now(),
    body       bytea not null,             -- JPEG, drawn anew: no place, no time, no camera in it
    sha256     bytea not null
);
create index device_photo_device on device_photo (device_id, id);

create table acceptance (
    id         integer generated always as identity primary key,
    device_id  integer not null references device,
    begins_at  timestamptz not null,       -- the span that was measured
    ends_at    timestamptz not null,
    lines      jsonb not null,             -- each with value, limit, verdict and why
    verdict    text not null check (verdict in ('ok', 'attention', 'fail')),
    photo_id   integer references device_photo,
    remark     text not null default '',
    signed_by  text not null,
    signed_at  timestamptz not null default now()
);
create index acceptance_device on acceptance (device_id, id);
