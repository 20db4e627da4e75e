-- A device is retired by its state, and retired_at follows in a trigger of its own, which fires no trigger "of retired_at":
-- so its key was good again when it was taken back.
drop trigger device_retired on device;
create trigger device_retired after update of state, retired_at on device
    for each row when (old.retired_at is null and new.retired_at is not null) execute function revoke_retired();
update credential set revoked_at = now() from device
where device.id = device_id and device.retired_at is not null and revoked_at is null;
