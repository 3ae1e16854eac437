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
  is_final AS ends, if(is_final, ifNull(entry_tier, 0), 0) AS entry, if(is_final, needed, -1) AS needed_tier,
  if(is_final, label_probability, 1) AS probability, own_correct AS is_correct, own_probability,
  count() AS attempts, countIf(own_costed) AS costed_attempts,
  sumIf(cost_usd, own_costed) AS attempt_usd, sumIf(cost_usd * cost_usd, own_costed) AS attempt_usd_squared,
  countIf(is_final AND whole_costed) AS costed_requests,
  sumIf(whole_usd, is_final AND whole_costed) AS request_usd, sumIf(whole_usd * whole_usd, is_final AND whole_costed) AS request_usd_squared
FROM (
  SELECT a.*, a.cost_unknown_calls = 0 AS own_costed, toInt8(ifNull(a.correct, -1)) AS own_correct,
    sum(a.cost_usd) OVER whole AS whole_usd, sum(a.cost_unknown_calls) OVER whole = 0 AS whole_costed,
    argMin(tuple(a.tier), a.attempt) OVER whole AS first_tier, first_tier.1 AS entry_tier,
    argMin(tuple(toInt8(ifNull(a.correct, -1)), ifNull(a.label_sampling_probability, 1)), a.attempt) OVER whole AS first_label,
    minIf(a.tier, a.correct = 1) OVER whole AS lowest_right,
    -- the tier of the first right answer; 0: none was right; -1: not all of it is known
    toInt8(multiIf(first_label.1 = 1, ifNull(entry_tier, -1), first_label.1 = 0 AND lowest_right IS NOT NULL AND lowest_right > 0, lowest_right,
      first_label.1 = 0 AND own_correct = 0, 0, -1)) AS needed,
    if(a.label_sampling_probability > 0, a.label_sampling_probability, 1) AS own_probability,
    least(if(first_label.2 > 0, first_label.2, 1), own_probability) AS label_probability
  FROM population AS a
  WINDOW whole AS (PARTITION BY a.project, a.request_id)
)
GROUP BY key, task, settled, weight, at_tier, ends, entry, needed_tier, probability, is_correct, own_probability
