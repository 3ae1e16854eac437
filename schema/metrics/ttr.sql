-- name: ttr
-- title: Thinking token rate
-- unit: thinking tokens per request
-- direction: lower
-- why: How long requests of a class think. Where it rises and quality does not rise with it, models think longer for
--   nothing; its p95 is what a runaway is measured against.
-- source: requests
-- by: task, user, session, tier, model, provider, strategy, effort, day, hour, environment, service, attr
SELECT key, task, settled, weight, ifNull(thinking_tokens, -1) AS tokens, count() AS requests
FROM population
GROUP BY key, task, settled, weight, tokens
