-- Requests of which calls were settled in [since, until], with the thinking that is known of them: all of the request,
-- not only what is new. Only those above `least_tokens`, since no other can be a runaway, that have not fired before.
WITH changed AS (
  SELECT DISTINCT project, request_id FROM call_facts
  WHERE version >= {since:DateTime64(6, 'UTC')} AND version <= {until:DateTime64(6, 'UTC')}
    -- what arrives more than a day after it ended is history: in every report, but no alarm
    AND toUnixTimestamp64Micro(version) - toUnixTimestamp64Nano(time) / 1e3 - duration_ns / 1e3 <= 86400 * 1e6
    -- nobody names requests so; whatever does would not fit into a statement
    AND length(request_id) <= 10000
)
SELECT project, request_id, if(max(own_task) = '', 'unknown', max(own_task)) AS class, min(time) AS began,
  ifNull(sumIf(thinking_tokens, role = 'answer'), 0) AS tokens, max(version) AS arrived
FROM counted_calls
WHERE (project, request_id) IN changed
  AND (project, request_id) NOT IN (
    SELECT project, key FROM alert_events
    WHERE rule = {rule:String} AND state = 'firing' AND (project, key) IN changed)
GROUP BY project, request_id
HAVING tokens > {least_tokens:UInt64}
ORDER BY arrived, project, request_id
