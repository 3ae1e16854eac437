-- How far rollups are: of the quarters of an hour with requests that can be counted, how many have the cells of now, and
-- since when the others wait.
WITH right AS (SELECT time FROM rollup_coverage WHERE step = 900 AND fresh AND priced)
SELECT (SELECT count() FROM request_facts) AS requests, count() AS quarters, countIf(begin NOT IN right) AS waiting,
  if(waiting = 0, NULL, minIf(greatest(last_changed, toDateTime64(begin, 6, 'UTC') + INTERVAL 20 MINUTE), begin NOT IN right))
    AS waiting_since
FROM (
  SELECT q.time AS begin, max(q.changed) AS last_changed FROM rollup_changes AS q
  WHERE q.time >= (SELECT rollup_begin.begin FROM rollup_begin) AND q.time + INTERVAL 20 MINUTE <= now()
  GROUP BY begin
)
