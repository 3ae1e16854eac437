-- Baselines of every task class for some minutes (METRICS, Runaway). `minutes` are Unix times of whole minutes; no
-- `projects`: all. What a project has for a minute already stands: it is not made again. Read from `request_facts` where that
-- is `whole`, but for requests to whose calls something came since then; these are counted out of their calls.
INSERT INTO runaway_baselines (project, task, since, until, n, p95, bound)
WITH
  {minutes:Array(UInt32)} AS minutes,
  -- for n = 59..199 requests: which of them, in order, is not below the 95th percentile with 95 % confidence
  {ranks:Array(UInt16)} AS ranks,
  7 * 86400 AS window_s,
  touched AS (
    SELECT project, request_id FROM call_facts WHERE {whole:Bool} AND version >= {since:DateTime64(6)} GROUP BY project, request_id
  ),
  requests_used AS (
    SELECT project, task AS class,
      -- a request settles five minutes after its last call
      arrayMax((began, lasted) -> toUnixTimestamp64Nano(began) + toInt64(lasted), calls.time, calls.duration_ns) / 1e9 + 300
        AS settled_s,
      known_thinking_tokens AS tokens
    FROM request_facts AS f FINAL
    -- the calls of one request lie within a day
    WHERE {whole:Bool} AND toStartOfFifteenMinutes(f.time) >= toStartOfFifteenMinutes(fromUnixTimestamp({begin:UInt32}))
      AND (empty({projects:Array(String)}) OR project IN {projects:Array(String)})
      AND (project, request_id) NOT IN touched
      AND notEmpty(attempts.attempt) AND thinking_unknown_calls = 0
    UNION ALL
    SELECT project, if(max(own_task) = '', 'unknown', max(own_task)) AS class,
      max(toUnixTimestamp64Nano(time) + toInt64(duration_ns)) / 1e9 + 300 AS settled_s,
      ifNull(sumIf(thinking_tokens, role = 'answer'), 0) AS tokens
    FROM counted_calls
    WHERE time >= fromUnixTimestamp({begin:UInt32})
      AND (empty({projects:Array(String)}) OR project IN {projects:Array(String)})
      AND (NOT {whole:Bool} OR (project, request_id) IN touched)
    GROUP BY project, request_id
    HAVING countIf(role = 'answer') > 0 AND countIf(role = 'answer' AND billed AND thinking_tokens IS NULL) = 0
  )
SELECT project, group AS task, fromUnixTimestamp(minute - window_s) AS since, fromUnixTimestamp(minute) AS until,
  count() AS n, quantileExactInclusive(0.95)(tokens) AS p95,
  multiIf(n >= 200, p95, n >= 59, toFloat64(arraySort(groupArray(200)(tokens))[ranks[n - 58]]), NULL) AS bound
FROM (
  SELECT project, tokens, arrayJoin(arrayDistinct([class, 'default'])) AS group,
    arrayJoin(arrayFilter(m -> settled_s >= m - window_s AND settled_s < m, minutes)) AS minute
  FROM requests_used
)
WHERE (project, minute) NOT IN (
  SELECT project, toUnixTimestamp(until) FROM runaway_baselines WHERE toUnixTimestamp(until) IN minutes)
GROUP BY project, group, minute
