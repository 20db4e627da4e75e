-- What moved an alarm, exactly, so that its verdict can be proved; and what rules on trial found.
alter table rule_version add column kernel text not null default 'threshold/1';  -- the check that judged by it
alter table rule_version alter column kernel drop default;
alter table rule_version drop constraint rule_version_rule_sha256_key;
alter table rule_version add unique (rule, sha256, kernel);

-- Beginning with the levels `held` (one bit each), these readings of the series lead to this step and no other would.
alter table alarm_transition
    add column held     smallint,
    add column moved_by timestamptz[],           -- oldest first; the first eight where more have moved it
    add column moves    integer,                 -- how many have
    add column against  timestamptz[];           -- readings from which a rise or fall was measured

-- Rules in shadow mode write here and nowhere else: no alarm, nothing to send, nobody is told.
create table shadow_transition (
    id              bigint generated always as identity primary key,
    rule            text not null,
    rule_version_id integer not null references rule_version,
    series_id       integer not null,
    from_level      smallint not null,
    to_level        smallint not null,
    at              timestamptz not null,        -- the readings' own time
    recorded_at     timestamptz not null default now(),
    value           double precision not null,
    reading_time    timestamptz not null,
    held            smallint not null,
    moved_by        timestamptz[] not null,
    moves           integer not null,
    against         timestamptz[] not null
);
create index shadow_transition_standing on shadow_transition (rule, series_id, id desc);
