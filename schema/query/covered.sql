-- The stretches whose cells a reader may use: all that they count lies in the window. Days go before their quarters.
WITH usable AS (
  SELECT step, time, build FROM rollup_coverage
  WHERE fresh AND (priced OR NOT {amounts:Bool}) AND (step = 900 OR {days:Bool})
    AND time >= toStartOfDay({since:DateTime64(6, 'UTC')} - INTERVAL 1 DAY) AND time < {until:DateTime64(6, 'UTC')}
    AND if({calls:Bool},
      first_call_ns >= toUnixTimestamp64Nano(toDateTime64({since:DateTime64(6, 'UTC')}, 9))
        AND last_call_ns < toUnixTimestamp64Nano(toDateTime64({until:DateTime64(6, 'UTC')}, 9)),
      time >= {since:DateTime64(6, 'UTC')} AND time + toIntervalSecond(step) <= {until:DateTime64(6, 'UTC')})
)
SELECT step, toUnixTimestamp(time) AS begin, build
FROM usable
WHERE step = 86400 OR toStartOfDay(time) NOT IN (SELECT time FROM usable WHERE step = 86400)
