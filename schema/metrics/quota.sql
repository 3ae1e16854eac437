-- name: quota
-- title: Daily thinking of users and sessions
-- unit: thinking tokens a day
-- direction: lower
-- why: Who uses how much of the daily allowance of thinking; the day is that of the call, in the project's time zone.
-- source: calls
-- by: user, session, day
-- keys: user, session, day
-- default: nothing
SELECT key, 'default' AS task, if(owner.1 = 'user', owner.2, '') AS user, if(owner.1 = 'session', owner.2, '') AS session,
  toUnixTimestamp(toStartOfDay(toTimeZone(called, {asked_timezone:String}))) AS day,
  -- -1: no limit
  any(ifNull(JSONExtract((SELECT max(value) FROM current_rules WHERE kind = 'quota'),
    if(owner.1 = 'user', 'user_daily_thinking_tokens', 'session_daily_thinking_tokens'), 'Nullable(Int64)'), -1)) AS limit_tokens,
  count() AS calls, uniqExact(project, request_id) AS requests, sum(ifNull(thinking, 0)) AS used_tokens,
  countIf(thinking IS NULL) AS unknown_calls
FROM (
  -- a request has one user and one session, whichever of its calls says so
  SELECT p.key AS key, p.project AS project, p.request_id AS request_id, p.time AS called, p.thinking_tokens AS thinking,
    p.role = 'answer' AND p.billed AS counts,
    argMinIf(p.user_id, p.time, p.user_id != '') OVER whole AS whole_user,
    argMinIf(p.session_id, p.time, p.session_id != '') OVER whole AS whole_session
  FROM population AS p
  WINDOW whole AS (PARTITION BY p.project, p.request_id)
)
ARRAY JOIN arrayFilter(
  o -> o.2 != '' AND (NOT hasAny(['user', 'session'], {asked_split:Array(String)}) OR has({asked_split:Array(String)}, o.1)),
  [('user', whole_user), ('session', whole_session)]) AS owner
WHERE counts
GROUP BY key, user, session, day, owner.1
