-- name: reflection
-- title: Reflection
-- unit: share of the visible thinking's sentences that reflect
-- direction: lower
-- why: Whether thinking that turns back on itself is right more often, or only longer.
-- source: calls
-- by: task, user, session, tier, model, provider, strategy, effort, phase, day, hour, environment, service, attr
-- note: Hard requests are thought over more often, so that accuracy may fall with reflection without its being at fault.
SELECT key, task, settled, weight, ratio, is_correct, label_probability, count() AS attempts,
  countIf(thinking >= 0) AS counted, sumIf(thinking, thinking >= 0) AS tokens
FROM (
  SELECT c.key AS key, c.task AS task, c.weight AS weight, c.ratio AS ratio, c.thinking AS thinking,
    ifNull(a.settled, 0) AS settled, toInt8(ifNull(a.correct, -1)) AS is_correct,
    if(a.label_sampling_probability > 0, a.label_sampling_probability, 1) AS label_probability
  FROM (
    -- an attempt of several calls reflects as they do on average; to a hundredth
    SELECT key, task, project, request_id, attempt, round(avg(told), 2) AS ratio,
      if(countIf(thinking_tokens IS NULL) > 0, -1, sum(ifNull(thinking_tokens, 0))) AS thinking,
      ifNull(1 / min(if(sampling_probability > 0, sampling_probability, 1)), 1) AS weight
    FROM (
      SELECT key, task, project, request_id, attempt, thinking_tokens, sampling_probability,
        toFloat64OrNull(attributes['thinkmeter.thinking.reflection_ratio']) AS told
      FROM population
      WHERE role = 'answer'
    )
    WHERE told BETWEEN 0 AND 1
    GROUP BY key, task, project, request_id, attempt
  ) AS c
  LEFT JOIN (
    SELECT project, request_id, attempt, settled, correct, label_sampling_probability FROM attempts
    WHERE (project, request_id) IN (
      SELECT project, request_id FROM population
      WHERE mapContains(attributes, 'thinkmeter.thinking.reflection_ratio'))
  ) AS a ON a.project = c.project AND a.request_id = c.request_id AND a.attempt = c.attempt
)
GROUP BY key, task, settled, weight, ratio, is_correct, label_probability
