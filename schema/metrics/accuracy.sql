-- name: accuracy
-- title: Accuracy
-- unit: share of labelled requests whose final answer is correct
-- direction: higher
-- why: Whether quality moved. Thinking that grows is an alarm only where accuracy does not grow with it.
-- source: requests
-- by: task, user, session, tier, model, provider, strategy, effort, day, hour, environment, service, attr
SELECT key, task, settled, weight, toInt8(ifNull(correct, -1)) AS is_correct,
  if(label_sampling_probability > 0, label_sampling_probability, 1) AS label_probability, count() AS requests
FROM population
GROUP BY key, task, settled, weight, is_correct, label_probability
