-- name: latency
-- title: Latency
-- unit: ms, 95th percentile
-- direction: lower
-- why: How long people wait: for the first chunk, for the first token of the answer behind the thinking, for all of it.
-- source: calls
-- by: task, user, session, tier, model, provider, strategy, effort, phase, day, hour, environment, service, attr
-- keys: until
SELECT key, measure.1 AS until, measure.1 AS measure_name, task,
  -- to three digits
  ifNull(if(measure.2 > 0, round(measure.2, toInt8(2 - floor(log10(measure.2)))), measure.2), -1) AS ms,
  if(sampling_probability > 0, 1 / assumeNotNull(sampling_probability), 1) AS weight, count() AS calls
FROM population
ARRAY JOIN [('first chunk', time_to_first_chunk_ms), ('first answer token', time_to_first_answer_ms),
  ('end', CAST(duration_ms, 'Nullable(Float64)'))] AS measure
WHERE role = 'answer' AND error_type = ''
GROUP BY key, until, measure_name, task, ms, weight
