create table device_address (scheme text not null, address text not null, device_id integer not null references device on delete cascade, primary key (scheme, address));
create index device_address_device on device_address (device_id);
