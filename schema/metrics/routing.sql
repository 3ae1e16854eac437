-- name: routing
-- title: Routing
-- unit: USD a request saved over all at tier 3
-- direction: higher
-- why: What routing by tier saves over sending every request to the best model, and what it would cost to send every
--   request to the cheapest; and whether requests enter at the tier that they need.
-- source: attempts
-- by: task, user, session, day, hour, environment, service, attr
-- note: A request sent to a tier is taken to cost what attempts of its class at that tier cost on average. Harder requests
--   reach higher tiers, so all at tier 3 would cost less than is said, and all at tier 1 more.
SELECT key, task, settled, weight, ifNull(tier, 0) AS at_tier,
  is_final AS ends, if(is_final, ifNull(entry_tier, 0), 0) AS entry,
  -- the tier of the first right answer; 0: none was right; -1: not all of it is known
  toInt8(multiIf(NOT is_final, -1, first_correct = 1, ifNull(entry_tier, -1),
    first_correct = 0 AND lowest_right_tier > 0, lowest_right_tier, first_correct = 0 AND correct = 0, 0, -1)) AS needed_tier,
  if(label_sampling_probability > 0, label_sampling_probability, 1) AS own_probability,
  if(is_final, least(if(first_label_probability > 0, first_label_probability, 1), own_probability), 1) AS probability,
  toInt8(ifNull(correct, -1)) AS is_correct,
  count() AS attempts, countIf(cost_unknown_calls = 0) AS costed_attempts,
  sumIf(cost_usd, cost_unknown_calls = 0) AS attempt_usd, sumIf(cost_usd_squared, cost_unknown_calls = 0) AS attempt_usd_squared,
  countIf(is_final AND request_cost_unknown_calls = 0) AS costed_requests,
  sumIf(request_cost_usd, is_final AND request_cost_unknown_calls = 0) AS request_usd,
  sumIf(request_cost_usd_squared, is_final AND request_cost_unknown_calls = 0) AS request_usd_squared
FROM population
GROUP BY key, task, settled, weight, at_tier, ends, entry, needed_tier, probability, is_correct, own_probability
