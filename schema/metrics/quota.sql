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
SELECT key, task, user, session, day, limit_tokens, calls, requests, used_tokens, unknown_calls, sampled_calls, owners, owners_over,
  owners_sampled
FROM (
  SELECT *, count() OVER (PARTITION BY key, whose, day) AS owners,
    countIf(limit_tokens >= 0 AND used_tokens > limit_tokens) OVER (PARTITION BY key, whose, day) AS owners_over,
    countIf(sampled_calls > 0) OVER (PARTITION BY key, whose, day) AS owners_sampled,
    row_number() OVER (PARTITION BY key, whose, day ORDER BY used_tokens DESC, user, session) AS place
  FROM (
    SELECT key, 'default' AS task, if(owner.1 = 'user', owner.2, '') AS user, if(owner.1 = 'session', owner.2, '') AS session, owner.1 AS whose,
      toUnixTimestamp(toStartOfDay(toTimeZone(time, {asked_timezone:String}))) AS day,
      -- -1: no limit
      any(ifNull(JSONExtract((SELECT max(value) FROM current_rules WHERE kind = 'quota'),
        if(owner.1 = 'user', 'user_daily_thinking_tokens', 'session_daily_thinking_tokens'), 'Nullable(Int64)'), -1)) AS limit_tokens,
      count() AS calls, uniqExact(project, request_id) AS requests, sum(ifNull(thinking_tokens, 0)) AS used_tokens,
      countIf(thinking_tokens IS NULL) AS unknown_calls, countIf(sampling_probability < 1) AS sampled_calls
    FROM population
    ARRAY JOIN arrayFilter(
      o -> o.2 != '' AND (NOT hasAny(['user', 'session'], {asked_split:Array(String)}) OR has({asked_split:Array(String)}, o.1)),
      [('user', request_user), ('session', request_session)]) AS owner
    WHERE role = 'answer' AND billed
    GROUP BY key, user, session, day, whose
  )
)
-- hundreds of thousands have a row a day, of which nobody looks at the last
WHERE place <= 200 OR (limit_tokens >= 0 AND used_tokens > limit_tokens / 2)
