-- Who did what, when. Rows are only ever added: changing one is an error, not a silence.
create table audit_entry (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default now(),
    actor   text not null,
    action  text not null,
    object  text not null,
    outcome text not null check (outcome in ('done', 'denied')),
    detail  jsonb not null default '{}'
);

create function audit_entry_is_final() returns trigger language plpgsql as $$
begin
    raise exception 'audit entries are never changed';
end $$;
create trigger audit_entry_is_final before update or delete or truncate on audit_entry
    for each statement execute function audit_entry_is_final();
