-- name: escr
-- title: Escalation rate
-- unit: share of tier-1 verdicts
-- direction: lower
-- why: How often the cheap tier fails its check and the request climbs. Above a fifth, tier 1 adds a call to requests
--   that it does not answer.
-- source: requests
-- by: task, user, session, verifier, day, hour, environment, service, attr
SELECT key, task, settled, weight, escalated,
  ifNull(first_tier, 0) AS entry_tier, ifNull(final_tier, 0) AS answer_tier,
  -- -1: no verdict, no label
  toInt8(ifNull(gate_verdict_passed, -1)) AS passed,
  toInt8(ifNull(gate_correct, -1)) AS tier_1_correct, toInt8(ifNull(correct, -1)) AS final_correct,
  if(least(ifNull(gate_label_probability, 1), ifNull(label_sampling_probability, 1)) > 0,
    least(ifNull(gate_label_probability, 1), ifNull(label_sampling_probability, 1)), 1) AS label_probability,
  count() AS requests, countIf(escalation_cost_unknown_calls = 0) AS costed_requests,
  sumIf(escalation_cost_usd, escalation_cost_unknown_calls = 0) AS climb_usd
FROM population
GROUP BY key, task, settled, weight, escalated, entry_tier, answer_tier, passed, tier_1_correct, final_correct,
  label_probability
