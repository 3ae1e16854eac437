-- Quarters: how many requests began in them, whether all have settled, when the first and the last of their calls began, and
-- their prices. One that has none any more is whole, too.
WITH (SELECT (books, rates) FROM price_hashes) AS prices
SELECT toUnixTimestamp(q.time) AS begin, r.requests, r.end_time + INTERVAL 5 MINUTE <= now64(9),
  if(r.requests = 0, toInt64(begin) * 1000000000, toUnixTimestamp64Nano(r.first_call)) AS first_ns,
  if(r.requests = 0, toInt64(begin) * 1000000000, toUnixTimestamp64Nano(r.last_call)) AS last_ns,
  r.price_keys, cityHash64(arrayMap(key -> arrayMap(rate -> (if(rate.1 <= first_ns, 0, rate.1), if(rate.2 > last_ns, 0, rate.2), rate.3),
    arrayFilter(rate -> rate.1 <= last_ns AND rate.2 > first_ns, prices.2[indexOf(prices.1, key)])), r.price_keys))
FROM (SELECT arrayJoin({quarters:Array(DateTime('UTC'))}) AS time) AS q
LEFT JOIN (
  SELECT toStartOfFifteenMinutes(f.time) AS time, count() AS requests, max(f.end_time) AS end_time,
    min(f.first_call) AS first_call, max(f.last_call) AS last_call,
    arraySort(groupUniqArrayArray(f.calls.price_key)) AS price_keys
  FROM request_facts AS f FINAL
  WHERE toStartOfFifteenMinutes(f.time) IN {quarters:Array(DateTime('UTC'))}
  GROUP BY time
) AS r ON r.time = q.time
SETTINGS join_use_nulls = 0
