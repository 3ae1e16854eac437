-- Quarters: how many requests began in them, whether all have settled, between which times all their calls began and they
-- themselves lie, and their prices. One that has none any more is whole, too.
WITH (SELECT (books, rates) FROM price_hashes) AS prices
SELECT toUnixTimestamp(q.time) AS begin, r.requests, r.end_time + INTERVAL 5 MINUTE <= now64(9),
  least(toInt64(begin) * 1000000000, if(r.requests = 0, toInt64(begin) * 1000000000, toUnixTimestamp64Nano(r.first_call))) AS first_ns,
  greatest((toInt64(begin) + 900) * 1000000000 - 1, toUnixTimestamp64Nano(r.last_call)) AS last_ns,
  r.price_keys AS all_keys, r.fixed_keys AS fixed, {books}
FROM (SELECT arrayJoin({quarters:Array(DateTime('UTC'))}) AS time) AS q
LEFT JOIN (
  SELECT toStartOfFifteenMinutes(f.time) AS time, count() AS requests, max(f.end_time) AS end_time,
    min(f.first_call) AS first_call, max(f.last_call) AS last_call,
    arraySort(groupUniqArrayArray(f.calls.price_key)) AS price_keys,
    arraySort(groupUniqArrayArray(arrayFilter((key, own) -> own IS NOT NULL, f.calls.price_key, f.calls.reported_cost_usd)))
      AS fixed_keys
  FROM request_facts AS f FINAL
  WHERE toStartOfFifteenMinutes(f.time) IN {quarters:Array(DateTime('UTC'))}
  GROUP BY time
) AS r ON r.time = q.time
SETTINGS join_use_nulls = 0
