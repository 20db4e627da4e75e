-- Messages beyond their device's quota: on disk and acknowledged, not read yet. They pass in their order, as the quota allows.
create table held_message (
    id         bigint generated always as identity primary key,
    device_id  integer not null,
    topic      text not null,
    payload    bytea not null,
    arrived_at timestamptz not null
);
create index held_message_device on held_message (device_id, id);
