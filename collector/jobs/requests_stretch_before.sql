-- Where the newest stretch of whole days before then begins that has at most so many calls, or is one day, and no more than a
-- month; no row where there is no call before.
WITH (SELECT max(time) FROM call_facts WHERE time < {before:DateTime64(6)}) AS newest
SELECT min(day) AS begin
FROM (
  SELECT day, rows, sum(rows) OVER (ORDER BY day DESC) AS since_then
  FROM (
    SELECT toDate(c.time) AS day, count() AS rows FROM call_facts AS c
    WHERE c.time < {before:DateTime64(6)} AND c.time >= newest - INTERVAL 31 DAY
    GROUP BY day
  )
)
WHERE since_then <= {most:UInt64} OR since_then = rows
HAVING count() > 0
