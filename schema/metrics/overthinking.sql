-- name: overthinking
-- title: Overthinking
-- unit: share of thinking tokens past the knee
-- direction: lower
-- why: From which length on thinking brings no more correct answers. What lies past it is spent for nothing, as far as
--   length alone can tell.
-- source: attempts
-- by: task, user, session, tier, model, provider, strategy, effort, day, hour, environment, service, attr
-- note: Hard tasks think longer, so accuracy falls with length even where thinking helps; where requests have attempts
--   with and without thinking, the comparison within them is free of that.
SELECT key, task, settled, weight,
  -- -1: unknown; 0: none; k: [2^(k-1), 2^k) tokens
  toInt16(multiIf(thinking_tokens IS NULL, -1, thinking_tokens = 0, 0,
    length(trim(LEADING '0' FROM bin(toUInt64(assumeNotNull(thinking_tokens))))))) AS length_bin,
  toInt8(ifNull(correct, -1)) AS is_correct,
  if(label_sampling_probability > 0, label_sampling_probability, 1) AS label_probability,
  -- of a request's labelled attempts the last that thought is compared with the first that did not; -1: there is none
  toInt8(if(attempt = last_thinking_attempt, ifNull(unthinking_correct, -1), -1)) AS was_correct,
  if(was_correct >= 0, least(label_probability, if(unthinking_label_probability > 0, unthinking_label_probability, 1)), 1) AS pair_probability,
  count() AS attempts, sum(ifNull(thinking_tokens, 0)) AS thinking, sum(cost_thinking_usd) AS thinking_usd,
  countIf(is_final) AS requests, countIf(is_final AND request_output_tokens IS NOT NULL) AS counted_requests,
  sumIf(ifNull(request_output_tokens, 0), is_final) AS request_tokens,
  sum(own_budgeted_calls) AS budgeted_calls, sum(own_budget_use) AS budget_use, sum(own_capped_calls) AS capped_calls
FROM population
GROUP BY key, task, settled, weight, length_bin, is_correct, label_probability, was_correct, pair_probability
