-- Access: who the broker lets in, and the tokens that hand a credential out. No secret is kept, only what it is
-- compared with: secrets are random and of 128 bits, so few rounds are enough.
create table credential (
    id            integer generated always as identity primary key,
    kind          text not null check (kind in ('device', 'source')),
    -- A device's name at the broker is department/device, so that one pattern holds for all; a source has its own.
    username      text not null check (username ~ '^[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63})?$'),
    client_id     text not null,
    device_id     integer references device,
    department_id integer not null references department,
    writes        text[] not null default '{}',      -- topic filters of a source
    reads         text[] not null default '{}',
    pbkdf2        text not null,                     -- as mosquitto compares
    bcrypt        text not null,                     -- as the NATS server compares
    created_at    timestamptz not null default now(),
    created_by    text not null,
    admitted_at   timestamptz,                       -- the broker knows it
    revoked_at    timestamptz,
    shut_at       timestamptz,                       -- the broker has forgotten it
    check ((kind = 'device') = (device_id is not null))
);
create unique index credential_user on credential (username) where revoked_at is null;
create unique index credential_device on credential (device_id) where revoked_at is null;

-- A token is used once, within minutes, and speaks for one device.
create table enrolment_token (
    digest     bytea primary key,                    -- SHA-256
    device_id  integer not null references device,
    created_at timestamptz not null default now(),
    created_by text not null,
    expires_at timestamptz not null,
    used_at    timestamptz,
    withdrawn  boolean not null default false        -- a newer one took its place
);
create index enrolment_token_device on enrolment_token (device_id);

-- Who leaves service loses its key for good: taken back later, it is enrolled anew.
create function revoke_retired() returns trigger language plpgsql as $$
begin
    update credential set revoked_at = now() where device_id = new.id and revoked_at is null;
    return null;
end $$;
create trigger device_retired after update of retired_at on device
    for each row when (old.retired_at is null and new.retired_at is not null) execute function revoke_retired();
