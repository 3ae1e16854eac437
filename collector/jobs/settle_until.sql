-- Up to where every inserted span can be seen: an insert that is still under way began after that instant.
-- `waiting` spans were inserted since the job last came this far.
WITH (SELECT max(settled_until) FROM watermarks WHERE job = 'settle') AS settled_before
SELECT
  (SELECT ifNull(minOrNull(now64(6) - toIntervalMicrosecond(toUInt64(elapsed * 1e6) + 100000)), now64(6))
    FROM system.processes WHERE query_kind = 'Insert') AS settled_until,
  (SELECT count() FROM spans WHERE inserted >= settled_before) AS waiting,
  now64(6) AS version
