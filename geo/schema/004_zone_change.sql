-- A row for each transaction that has changed zones: who keeps them in memory counts these instead of the zones.
-- Counted, not compared with the newest: transactions may commit in another order than they began.
create table zone_change (
    id bigint generated always as identity primary key,
    at timestamptz not null default now()
);

create function zone_changes() returns trigger language plpgsql as $$
begin
    if current_setting('cityhub.zone_changes', true) is distinct from 'told' then
        insert into zone_change default values;
        perform set_config('cityhub.zone_changes', 'told', true);
    end if;
    return null;
end $$;
create trigger zone_changes after insert or update or delete or truncate on zone
    for each statement execute function zone_changes();
