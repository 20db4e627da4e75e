-- People and programs that may ask: passwords as argon2id, sessions and tokens only as SHA-256.
create table account (
    id            integer generated always as identity primary key,
    name          text not null unique,
    password      text not null,
    role          text not null check (role in ('operator', 'duty-officer', 'engineer', 'data-steward', 'auditor', 'administrator')),
    department_id integer references department,   -- null: the whole city
    created_at    timestamptz not null default now(),
    failed        integer not null default 0,
    locked_until  timestamptz
);

create table session (
    digest     bytea primary key,
    account_id integer not null references account on delete cascade,
    created_at timestamptz not null default now(),
    used_at    timestamptz not null default now(),
    expires_at timestamptz not null
);

create table token (
    id         integer generated always as identity primary key,
    digest     bytea not null unique,
    name       text not null,
    account_id integer not null references account on delete cascade,
    scopes     text[] not null,
    created_at timestamptz not null default now(),
    used_at    timestamptz,
    expires_at timestamptz not null,
    revoked_at timestamptz
);
