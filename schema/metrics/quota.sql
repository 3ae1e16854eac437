-- name: quota
-- title: Daily thinking of users and sessions
-- unit: thinking tokens a day
-- direction: lower
-- why: Who uses how much of the daily allowance of thinking; the day is that of the call, in the project's time zone.
-- source: calls
-- by: user, session, day
-- keys: user, session, day
-- default: nothing
-- note: Of each day those who are over half of the limit, and the 200 users and 200 sessions that thought most.
SELECT key, 'default' AS task, if(whose = 'user', name, '') AS user, if(whose = 'session', name, '') AS session, day, limit_tokens,
  calls, requests, used_tokens, unknown_calls, sampled_calls, owners, owners_over, owners_sampled
FROM (
  -- all that it can be told apart by are keys of its own
  SELECT *, tuple('') AS key, ['user', 'session'][kind] AS whose,
    -- -1: no limit
    [ifNull(JSONExtract((SELECT max(value) FROM current_rules WHERE current_rules.kind = 'quota'), 'user_daily_thinking_tokens', 'Nullable(Int64)'), -1),
      ifNull(JSONExtract((SELECT max(value) FROM current_rules WHERE current_rules.kind = 'quota'), 'session_daily_thinking_tokens', 'Nullable(Int64)'), -1)
    ][kind] AS limit_tokens,
    count() OVER all_of_day AS owners,
    countIf(limit_tokens >= 0 AND used_tokens > limit_tokens) OVER all_of_day AS owners_over,
    countIf(sampled_calls > 0) OVER all_of_day AS owners_sampled,
    row_number() OVER all_of_day AS place
  FROM (
    SELECT owner.1 AS kind, owner.2 AS name, toUnixTimestamp(toStartOfDay(toTimeZone(time, {asked_timezone:String}))) AS day,
      count() AS calls, uniqExact(cityHash64(project, request_id)) AS requests, sum(ifNull(thinking_tokens, 0)) AS used_tokens,
      countIf(thinking_tokens IS NULL) AS unknown_calls, countIf(sampling_probability < 1) AS sampled_calls
    FROM population
    ARRAY JOIN arrayFilter(
      o -> o.2 != '' AND (NOT hasAny(['user', 'session'], {asked_split:Array(String)}) OR has({asked_split:Array(String)}, ['user', 'session'][o.1])),
      [(1, request_user), (2, request_session)]) AS owner
    WHERE role = 'answer' AND billed
    GROUP BY kind, name, day
  )
  WINDOW all_of_day AS (PARTITION BY kind, day ORDER BY used_tokens DESC, name
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
-- hundreds of thousands have a row a day, of which nobody looks at the last
WHERE place <= 200 OR (limit_tokens >= 0 AND used_tokens > limit_tokens / 2)
