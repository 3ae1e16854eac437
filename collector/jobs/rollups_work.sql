-- Days with something to do, the newest first: the quarters whose cells are absent or not those of now, and whether those of
-- the day are; and as of when requests are known: what is inserted right now may not be seen yet. Requests of a quarter may
-- begin and settle until five minutes after its end.
WITH
  (SELECT ifNull(minOrNull(now64(6) - toIntervalMicrosecond(toUInt64(elapsed * 1e6) + 100000)), now64(6))
    FROM system.processes WHERE query_kind = 'Insert') AS seen_until,
  right AS (SELECT step, time FROM rollup_coverage WHERE fresh AND priced)
SELECT toStartOfDay(c.time) AS day, arraySort(groupArrayIf(toUnixTimestamp(c.time), (900, c.time) NOT IN right)) AS quarters,
  day + INTERVAL 1 DAY + INTERVAL 5 MINUTE <= now() AND (86400, day) NOT IN right AS whole,
  toUInt64(toUnixTimestamp64Micro(least(seen_until, now64(6)))) AS build
FROM (SELECT DISTINCT q.time AS time FROM rollup_changes AS q WHERE q.time >= (SELECT begin FROM rollup_begin)) AS c
WHERE c.time + INTERVAL 20 MINUTE <= now()
GROUP BY day
HAVING notEmpty(quarters) OR whole
ORDER BY day DESC
