-- name: cpq
-- title: Cost per quality point
-- unit: USD per percentage point
-- direction: lower
-- why: What one percentage point of accuracy costs in thinking tokens. Thinking that does not raise accuracy over
--   not thinking is money spent for nothing, however cheap the tokens are.
-- source: requests
-- by: task, user, session, tier, model, provider, strategy, effort, day, hour, environment, service, attr
SELECT key, task, settled, weight, escalated,
  ifNull(first_thinking_tokens = 0, 0) AS began_without_thinking,
  -- what is known of a request suffices to say that it thought; -1: unknown
  toInt8(multiIf(known_thinking_tokens > 0, 1, thinking_unknown_calls > 0, -1, 0)) AS thought,
  ifNull(final_thinking_tokens > 0, 0) AS final_thought,
  toInt8(ifNull(correct, -1)) AS final_correct, toInt8(ifNull(first_correct, -1)) AS began_correct,
  if(label_sampling_probability > 0, label_sampling_probability, 1) AS final_label_probability,
  if(first_label_probability > 0, first_label_probability, 1) AS began_label_probability,
  count() AS requests, sum(cost_thinking_usd) AS thinking_usd,
  sum(answer_calls) AS calls, sum(thinking_unknown_calls + thinking_unpriced_calls) AS left_out_calls,
  countIf(cost_unknown_calls = 0) AS costed_requests, sumIf(cost_usd, cost_unknown_calls = 0) AS costed_usd
FROM population
GROUP BY key, task, settled, weight, escalated, began_without_thinking, thought, final_thought, final_correct,
  began_correct, final_label_probability, began_label_probability
