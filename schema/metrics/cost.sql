-- name: cost
-- title: Cost
-- unit: USD
-- direction: lower
-- why: What the calls of a window cost, by what it was paid for. Tokens without a price are stated, never counted as 0.
-- source: calls
-- by: task, user, session, tier, model, provider, strategy, effort, phase, day, hour, environment, service, attr
SELECT key, task,
  count() AS calls, countIf(role = 'answer') AS answer_calls, uniqExact(project, request_id) AS requests,
  -- amounts and tokens stand for all traffic: a call that was kept with a probability counts for as many as it stands for
  sum(if(sampling_probability > 0, 1 / assumeNotNull(sampling_probability), 1) AS call_weight) AS weighted_calls,
  countIf(call_weight != 1) AS sampled_calls, ifNull(sum(cost_usd), 0) AS seen_usd,
  -- of calls whose cost is known whole: the buckets add up to it
  ifNull(sum(cost_usd * call_weight), 0) AS total_usd, ifNull(sumIf(cost_usd * call_weight, role = 'verifier'), 0) AS verifier_usd,
  ifNull(sumIf(cost_usd * call_weight, role NOT IN ('answer', 'verifier')), 0) AS router_usd,
  ifNull(sumIf(cost_input_usd * call_weight, role = 'answer' AND cost_usd IS NOT NULL), 0) AS input_usd,
  ifNull(sumIf(cost_cache_usd * call_weight, role = 'answer' AND cost_usd IS NOT NULL), 0) AS cache_usd,
  ifNull(sumIf(cost_thinking_usd * call_weight, role = 'answer' AND cost_usd IS NOT NULL), 0) AS thinking_usd,
  ifNull(sumIf(cost_answer_usd * call_weight, role = 'answer' AND cost_usd IS NOT NULL), 0) AS answer_usd,
  -- what is known of the others
  sumIf((ifNull(cost_input_usd, 0) + ifNull(cost_cache_usd, 0) + ifNull(cost_output_usd, 0)) * call_weight, cost_usd IS NULL) AS partial_usd,
  countIf(billed AND cost_source = 'unpriced') AS unpriced_calls,
  countIf(billed AND cost_source = 'unknown') AS unknown_calls,
  countIf(cost_source = 'provider') AS reported_calls,
  sum((ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) * call_weight) AS tokens,
  sumIf((ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) * call_weight, billed AND cost_source = 'unpriced') AS unpriced_tokens,
  sum(ifNull(input_tokens, 0) * call_weight) AS input_tokens_sum, sum(ifNull(output_tokens, 0) * call_weight) AS output_tokens_sum,
  sumIf(ifNull(thinking_tokens, 0) * call_weight, role = 'answer') AS thinking_tokens_sum
FROM population
GROUP BY key, task
