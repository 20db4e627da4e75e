"""A span of a series in buckets: from the aggregates where they stand, from raw readings elsewhere.

Statements, for the API executes them on an asynchronous connection.
"""

from typing import Literal, get_args

View = Literal["readings_by_minute", "readings_by_hour"]

STANDS = """
    select greatest(low, date_bin(%(unit)s, least(%(end)s, done), 'epoch')) as high, low
    from aggregate_state, (
        select date_bin(%(unit)s, %(begin)s + %(unit)s - interval '1 microsecond', 'epoch') as low) as whole"""
"""From where (low) until where (high) aggregates of a `unit` that divides the bucket stand for %(begin)s to %(end)s."""

# One statement, one snapshot: what is marked as out of date is read raw, whenever the job comes by. Of readings
# that failed, are missing or are no finite number, only the count and the flag enter: as in the aggregates.
_GATHERED = """
    with marked as (
        select distinct hour from reading_dirty
        where series_id = %(series)s and hour > %(low)s - interval '1 hour' and hour < %(high)s
    ), raw as (
        select time, value, flag from reading
        where series_id = %(series)s and time >= %(begin)s and time < %(low)s
        union all
        select time, value, flag from reading
        where series_id = %(series)s and time >= %(high)s and time < %(end)s
        union all
        select reading.time, value, flag from marked, reading
        where series_id = %(series)s and time >= %(low)s and time < %(high)s
          and time >= hour and time < hour + interval '1 hour'
    ), part as (
        select time, min, max, sum, count, count + failed + missing as total, flag::integer from {view}
        where series_id = %(series)s and time >= %(low)s and time < %(high)s
          and date_bin('1 hour', time, 'epoch') not in (select hour from marked)
        union all
        select time, good, good, coalesce(good, 0), (good is not null)::integer, 1, flag
        from (select time, flag, case when abs(value) < 1e300 and flag not in (4, 9) then value end as good
              from raw) as judged
    )
    select date_bin(make_interval(secs => %(bucket)s), time, 'epoch') as time,
           min(min) as min, max(max) as max, sum(sum) / nullif(sum(count), 0) as mean,
           sum(total)::bigint as count,
           (array[1, 2, 9, 3, 4])[max(array_position(array[1, 2, 9, 3, 4], flag))] as flag
    from part group by 1 order by 1 limit %(limit)s"""

GATHERED: dict[View, str] = {view: _GATHERED.format(view=view) for view in get_args(View)}
"""The buckets of %(bucket)s seconds of %(series)s: aggregates from %(low)s to %(high)s, and raw readings around them."""
