-- Rows of `forecast` from those of `cost`, named `cells`, whose key begins with the day; `{key}`: the rest of it.
WITH
  toTimeZone(least({asked_until:DateTime64(6)}, now64(6, 'UTC')), {asked_timezone:String}) AS local_end,
  toTimeZone({asked_since:DateTime64(6)}, {asked_timezone:String}) AS local_begin,
  (SELECT max(value) FROM current_rules WHERE kind = 'budget') AS budgets
SELECT {key} AS key, 'default' AS task, toString(toDate(toDateTime(c.key.1, {asked_timezone:String}))) AS day,
  toString(toDate(local_end)) AS last_day,
  (toUnixTimestamp64Micro(local_end) / 1e6 - toUnixTimestamp(toStartOfDay(local_end))) / 86400 AS last_day_share,
  toString(if(toUnixTimestamp64Micro(local_begin) / 1e6 > toUnixTimestamp(toStartOfDay(local_begin)),
    toDate(local_begin) + 1, toDate(local_begin))) AS first_day,
  if(empty({asked_split:Array(String)}), ifNull(JSONExtract(budgets, 'monthly_usd', 'Nullable(Float64)'), -1), -1) AS budget_usd,
  sum(c.calls) AS calls, sum(c.seen_usd) AS seen_usd, sum(c.sampled_calls) AS sampled_calls, sum(c.total_usd) AS usd,
  -- billed calls whose cost is not known lack a price or token counts
  sum(c.unpriced_calls + c.unknown_calls) AS uncosted_calls
FROM cells AS c
GROUP BY {key}, day
