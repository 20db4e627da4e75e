-- What is expected of a series from its newest reading on; rewritten by the hub every few seconds, lost with nothing.
create table outlook (
    series_id integer primary key,
    time      timestamptz not null,            -- of the newest reading, by its own time
    value     double precision not null,
    after_s   double precision[] not null,     -- seconds from there
    low       double precision[] not null,     -- four times in five the value lies between low and high
    median    double precision[] not null,
    high      double precision[] not null
) with (fillfactor = 50);
