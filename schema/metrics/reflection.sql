-- name: reflection
-- title: Reflection
-- unit: share of the visible thinking's sentences that reflect
-- direction: lower
-- why: Whether thinking that turns back on itself is right more often, or only longer.
-- source: attempts
-- by: task, user, session, tier, model, provider, strategy, effort, day, hour, environment, service, attr
-- note: Hard requests are thought over more often, so that accuracy may fall with reflection without its being at fault.
SELECT key, task, settled, weight, assumeNotNull(own_reflection_ratio) AS ratio, toInt8(ifNull(correct, -1)) AS is_correct,
  if(label_sampling_probability > 0, label_sampling_probability, 1) AS label_probability, count() AS attempts,
  countIf(own_reflecting_tokens IS NOT NULL) AS counted, sum(ifNull(own_reflecting_tokens, 0)) AS tokens
FROM population
WHERE own_reflection_ratio IS NOT NULL
GROUP BY key, task, settled, weight, ratio, is_correct, label_probability
