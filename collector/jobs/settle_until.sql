-- Up to where every inserted span can be seen: an insert that is still under way began after that instant.
-- `waiting` spans were inserted since the job last came this far; one from a time to come was inserted before the clock
-- went back, and was settled then, unless it is from after `ahead`.
WITH (SELECT max(settled_until) FROM watermarks WHERE job = 'settle' AND settled_until <= {newest:DateTime64(6)}) AS since
SELECT
  since AS settled_before,
  (SELECT ifNull(minOrNull(now64(6) - toIntervalMicrosecond(toUInt64(elapsed * 1e6) + 100000)), now64(6))
    FROM system.processes WHERE query_kind = 'Insert') AS settled_until,
  (SELECT count() FROM spans
    WHERE inserted >= since AND (inserted < now64(6) + INTERVAL 1 MINUTE OR inserted >= {ahead:DateTime64(6)})) AS waiting,
  now64(6) AS version
