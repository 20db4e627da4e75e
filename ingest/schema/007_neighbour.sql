-- Which series should follow which. The neighbour is named, not referenced: it may be registered later.
create table neighbour (
    device_id   integer not null references device on delete cascade,
    metric      text not null,
    other       text not null check (other ~ '^[a-z0-9][a-z0-9-]{0,63}$'),  -- a device; the metric is the same
    tolerance   double precision not null check (tolerance > 0),            -- in the metric's unit
    max_age_s   double precision not null check (max_age_s > 0),            -- an older reading of the other says nothing
    offset_by   double precision not null default 0,                        -- this one's value above the other's
    lag_s       double precision not null default 0 check (lag_s >= 0),     -- what the other saw may take this long
    primary key (device_id, metric)
);
