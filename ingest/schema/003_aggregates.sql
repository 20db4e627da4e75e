-- Aggregates of readings by minute and hour, what of them is out of date, and the index behind lineage.

-- Readings before `frontier` are marked in `reading_dirty` when they come; those after it are not aggregated yet.
-- Aggregates stand for every minute before `done`, but for the marked hours; before `raw_from` raw readings may be gone.
create table aggregate_state (
    only_one   boolean primary key default true check (only_one),
    frontier   timestamptz not null default '-infinity',
    done       timestamptz not null default '-infinity',
    generation bigint not null default 1,
    raw_from   timestamptz not null default '-infinity'
);
insert into aggregate_state default values;

-- Hours of a series whose aggregates do not know their newest reading. Only ever appended to and deleted from:
-- marks of an older generation than the state's are the job's to take, nobody waits for anybody.
create table reading_dirty (
    series_id  integer not null,
    hour       timestamptz not null,
    generation bigint not null
);
create index reading_dirty_series_hour on reading_dirty (series_id, hour);

-- The frontier, held still until the end of the caller's transaction. Volatile: each statement sees what was
-- committed while the one before it waited.
create function hold_frontier(out frontier_us bigint, out generation bigint) language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(1667855482);  -- ingest.aggregates.FRONTIER_LOCK
    select case when s.frontier = '-infinity' then -9223372036854775808
                else (extract(epoch from s.frontier) * 1000000)::bigint end, s.generation
      into frontier_us, generation from aggregate_state s;
end $$;

-- The same columns whatever the edition: `count` good readings make min, max and sum; those that failed or are
-- missing are counted apart. `worst` orders the flags: pass, not evaluated, missing, suspect, fail.
do $$
declare
    extension boolean := exists (select from pg_extension where extname = 'timescaledb');
    community boolean := extension and current_setting('timescaledb.license', true) = 'timescale';
    span text;
begin
    if community then
        execute $cagg$
            create materialized view reading_minute
            with (timescaledb.continuous, timescaledb.materialized_only = true) as
            select series_id, time_bucket('1 minute', time) as time,
                   min(value) filter (where abs(value) < 1e300 and flag not in (4, 9)) as min,
                   max(value) filter (where abs(value) < 1e300 and flag not in (4, 9)) as max,
                   coalesce(sum(value) filter (where abs(value) < 1e300 and flag not in (4, 9)), 0) as sum,
                   count(*) filter (where abs(value) < 1e300 and flag not in (4, 9)) as count,
                   count(*) filter (where flag = 4) as failed,
                   count(*) filter (where flag = 9 or (abs(value) >= 1e300 and flag <> 4)) as missing,
                   max(case flag when 1 then 1 when 2 then 2 when 9 then 3 when 3 then 4 else 5 end) as worst
            from reading group by series_id, time_bucket('1 minute', time) with no data
        $cagg$;
        execute $cagg$
            create materialized view reading_hour
            with (timescaledb.continuous, timescaledb.materialized_only = true) as
            select series_id, time_bucket('1 hour', time) as time, min(min) as min, max(max) as max,
                   sum(sum) as sum, sum(count) as count, sum(failed) as failed, sum(missing) as missing,
                   max(worst) as worst
            from reading_minute group by series_id, time_bucket('1 hour', time) with no data
        $cagg$;
        -- Chunks are compressed once no edge can replay into them: accepted are the last 30 days.
        execute $columns$
            alter table reading set (timescaledb.compress, timescaledb.compress_segmentby = 'series_id',
                                     timescaledb.compress_orderby = 'time')
        $columns$;
        execute $policy$ select add_compression_policy('reading', interval '32 days') $policy$;
        return;
    end if;
    foreach span in array array['minute', 'hour'] loop
        execute format(
            'create table reading_%s (
                 time      timestamptz not null,
                 series_id integer not null,
                 min       double precision,
                 max       double precision,
                 sum       double precision not null,
                 count     integer not null,
                 failed    integer not null,
                 missing   integer not null,
                 worst     smallint not null,
                 primary key (series_id, time))', span);
        if extension then
            execute format(
                'select create_hypertable(''reading_%s'', by_range(''time'', interval %L),
                                          create_default_indexes => false)',
                span, case span when 'minute' then '7 days' else '90 days' end);
        end if;
    end loop;
end $$;

-- What others read.
create view readings_by_minute as
select series_id, time, min, max, sum / nullif(count, 0) as mean, sum, count::bigint, failed::bigint, missing::bigint,
       (array[1, 2, 9, 3, 4])[worst]::smallint as flag
from reading_minute;
create view readings_by_hour as
select series_id, time, min, max, sum / nullif(count, 0) as mean, sum, count::bigint, failed::bigint, missing::bigint,
       (array[1, 2, 9, 3, 4])[worst]::smallint as flag
from reading_hour;

-- Lineage asks by device and span; nobody asked by device and arrival. The order of arrival serves retention.
drop index message_device_span;
create index message_device_times on message (device_id, first_time, last_time);
create index message_arrived on message using brin (arrived_at);
