-- name: forecast
-- title: Cost of the month
-- unit: USD
-- direction: lower
-- why: What the month will have cost when it ends, if days go on as the same weekdays of the last four weeks did; the band
--   is as wide as such forecasts were wrong.
-- source: calls
-- by: task, user, session, tier, model, provider, strategy, effort, phase, environment, service, attr
-- default: nothing
-- window: 90d
WITH
  toTimeZone(least({asked_until:DateTime64(6)}, now64(6, 'UTC')), {asked_timezone:String}) AS local_end,
  toTimeZone({asked_since:DateTime64(6)}, {asked_timezone:String}) AS local_begin,
  (SELECT max(value) FROM current_rules WHERE kind = 'budget') AS budgets
SELECT key, 'default' AS task, toString(toDate(toTimeZone(p.time, {asked_timezone:String}))) AS day,
  toString(toDate(local_end)) AS last_day,
  (toUnixTimestamp64Micro(local_end) / 1e6 - toUnixTimestamp(toStartOfDay(local_end))) / 86400 AS last_day_share,
  toString(if(toUnixTimestamp64Micro(local_begin) / 1e6 > toUnixTimestamp(toStartOfDay(local_begin)),
    toDate(local_begin) + 1, toDate(local_begin))) AS first_day,
  -- a budget is of all, so nothing is held against it where rows are split; -1: none
  if(empty({asked_split:Array(String)}), ifNull(JSONExtract(budgets, 'monthly_usd', 'Nullable(Float64)'), -1), -1) AS budget_usd,
  count() AS calls, ifNull(sum(p.cost_usd), 0) AS seen_usd, countIf(p.sampling_probability < 1) AS sampled_calls,
  -- each call by what it stands for
  ifNull(sum(p.cost_usd * if(p.sampling_probability > 0, 1 / assumeNotNull(p.sampling_probability), 1)), 0) AS usd,
  countIf(p.billed AND p.cost_usd IS NULL) AS uncosted_calls
FROM population AS p
GROUP BY key, day
