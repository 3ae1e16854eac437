-- name: strategies
-- title: Strategies
-- unit: share of labelled attempts that are correct
-- direction: higher
-- why: What sampling, search and refinement bring over answering once, and what one more correct answer costs that way.
-- source: attempts
-- by: task, user, session, tier, model, provider, strategy, effort, day, hour, environment, service, attr
-- keys: strategy
-- against: greedy
-- note: Strategies are compared over different attempts; where the harder requests get the dearer strategy, it looks worse
--   than it is.
SELECT key, strategy, task, settled, weight, toInt8(ifNull(correct, -1)) AS is_correct,
  if(label_sampling_probability > 0, label_sampling_probability, 1) AS label_probability,
  count() AS attempts, sum(answer_calls) AS calls,
  countIf(thinking_tokens IS NOT NULL) AS thinking_known, sum(ifNull(thinking_tokens, 0)) AS thinking,
  countIf(output_tokens IS NOT NULL) AS output_known, sum(ifNull(output_tokens, 0)) AS output,
  countIf(cost_unknown_calls = 0) AS costed_attempts, sumIf(cost_usd, cost_unknown_calls = 0) AS costed_usd
FROM population
GROUP BY key, strategy, task, settled, weight, is_correct, label_probability
