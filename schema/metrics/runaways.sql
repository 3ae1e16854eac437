-- name: runaways
-- title: Runaways
-- unit: thinking tokens
-- direction: lower
-- why: Requests that thought far more than their class does, each with the baseline it was judged by.
-- source: requests
-- by: task, user, session, tier, model, provider, strategy, effort, day, hour, environment, service, attr
-- keys: request
WITH hits AS (
  SELECT project, request_id,
    -- null fields go through as negative numbers: aggregates of tuples keep no nulls
    argMin((toString(alert_events.began), toString(alert_events.time), threshold, p95_factor, floor_tokens,
      ifNull(toInt64(cap_tokens), -1), baseline_task, toString(baseline_since), toString(baseline_until), baseline_n,
      ifNull(baseline_p95, -1), ifNull(baseline_bound, -1)), alert_events.time) AS hit,
    argMax((value, cost_usd, model, unknown_calls, state), alert_events.time) AS newest
  FROM alert_events
  WHERE rule = 'runaway' AND alert_events.began >= {asked_since:DateTime64(6)} - INTERVAL 1 DAY
    AND alert_events.began < {asked_until:DateTime64(6)} + INTERVAL 1 DAY
  GROUP BY project, request_id
)
SELECT r.key AS key, r.task AS task, r.request_id AS request, c.requests AS group_requests, hit.1 AS began, hit.2 AS fired,
  hit.3 AS threshold_tokens, hit.4 AS p95_factor, hit.5 AS floor_tokens, hit.6 AS cap_tokens, hit.7 AS baseline_task,
  hit.8 AS baseline_since, hit.9 AS baseline_until, hit.10 AS baseline_n, hit.11 AS baseline_p95, hit.12 AS baseline_bound,
  newest.1 AS used_tokens, newest.2 AS used_usd, newest.3 AS model_name, newest.4 AS unknown_calls, newest.5 AS newest_state
FROM (
  SELECT key, task, project, request_id FROM population WHERE (project, request_id) IN (SELECT project, request_id FROM hits)
) AS r
INNER JOIN hits AS e ON e.project = r.project AND e.request_id = r.request_id
INNER JOIN (SELECT key, count() AS requests FROM population GROUP BY key) AS c ON c.key = r.key
