-- The stretches whose cells a reader may use: whether their amounts are right, whether all requests and all calls that they
-- count lie in the window. Days go before their quarters, which are left out where the day serves whatever is asked.
SELECT step, toUnixTimestamp(time) AS begin, build, priced, of_requests, of_calls
FROM (
  SELECT *, max(step = 86400 AND priced AND of_requests AND of_calls) OVER (PARTITION BY toStartOfDay(time)) AS day_serves
  FROM (
    SELECT step, time, build, priced,
      time >= {since:DateTime64(6, 'UTC')} AND time + toIntervalSecond(step) <= {until:DateTime64(6, 'UTC')} AS of_requests,
      first_call_ns >= toUnixTimestamp64Nano(toDateTime64({since:DateTime64(6, 'UTC')}, 9))
        AND last_call_ns < toUnixTimestamp64Nano(toDateTime64({until:DateTime64(6, 'UTC')}, 9)) AS of_calls
    FROM rollup_coverage
    WHERE fresh AND (step = 900 OR {days:Bool})
      AND time >= toStartOfDay({since:DateTime64(6, 'UTC')} - INTERVAL 1 DAY) AND time < {until:DateTime64(6, 'UTC')}
  )
  WHERE of_requests OR of_calls
)
WHERE step = 86400 OR NOT day_serves
