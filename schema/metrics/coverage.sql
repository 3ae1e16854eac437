-- name: coverage
-- title: Coverage
-- unit: share of calls
-- direction: higher
-- why: How much of the traffic the other numbers speak of: calls whose thinking is known and whose cost is known whole.
-- source: calls
-- by: task, user, session, tier, model, provider, strategy, effort, phase, day, hour, environment, service, attr
SELECT key, task,
  count() AS calls, uniqExact(project, request_id) AS requests, sum(merged_spans) AS spans,
  sum(merged_spans - 1) AS repeated_spans, countIf(NOT billed) AS refused_calls,
  countIf(billed) AS billed_calls,
  countIf(billed AND thinking_tokens IS NOT NULL AND cost_usd IS NOT NULL) AS measured_calls,
  countIf(billed AND thinking_tokens IS NULL) AS thinking_unknown_calls,
  countIf(billed AND thinking_source = 'estimated') AS thinking_estimated_calls,
  countIf(thinking_above_output) AS thinking_above_output_calls,
  countIf(cache_above_input) AS cache_above_input_calls,
  countIf(billed AND cost_source = 'unpriced') AS unpriced_calls,
  countIf(billed AND cost_source = 'unknown') AS usage_unknown_calls,
  sum(ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) AS tokens,
  sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), billed AND cost_source = 'unpriced') AS unpriced_tokens,
  countIf(tier IS NULL) AS tier_unknown_calls, countIf(task = 'unknown') AS task_unknown_calls,
  countIf(sampling_probability IS NULL) AS sampling_unknown_calls,
  -- arrived after their request may have been taken for settled
  countIf(inserted > time + toIntervalMillisecond(toInt64(duration_ms)) + INTERVAL 5 MINUTE) AS late_calls
FROM population
GROUP BY key, task
