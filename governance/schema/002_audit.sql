-- What one did lately: asked before an entry that is written once a minute.
create index audit_entry_actor on audit_entry (actor, action, at);
