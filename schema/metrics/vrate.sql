-- name: vrate
-- title: Verifier precision
-- unit: share of passed answers that are correct
-- direction: higher
-- why: Whether a pass can be trusted. What a verifier lets through wrongly reaches the user and is never escalated.
-- source: attempts
-- by: task, user, session, tier, model, provider, strategy, effort, day, hour, environment, service, attr, verifier
-- keys: verifier, version
SELECT key, v.verifier AS verifier, v.version AS version, task, settled, weight,
  -- -1: neither passed nor failed, no label
  toInt8(ifNull(v.passed, -1)) AS passed, toInt8(ifNull(correct, -1)) AS is_correct,
  if(label_sampling_probability > 0, label_sampling_probability, 1) AS label_probability,
  ifNull(tier = 1, 0) AS in_tier_1,
  -- thresholds are told apart to a thousandth
  ifNull(floor(v.score * 1000 + 1e-6) / 1000, nan) AS score,
  count() AS attempts, sum(ifNull(v.score, 0)) AS score_sum
FROM population
ARRAY JOIN verdicts AS v
GROUP BY key, verifier, version, task, settled, weight, passed, is_correct, label_probability, in_tier_1, score
