-- Quarters: how many requests began in them, whether all have settled, when the first and the last of their calls began, and
-- their prices. One that has none any more is whole, too.
WITH (SELECT (books, hashes) FROM price_hashes) AS prices
SELECT toUnixTimestamp(q.time) AS begin, r.requests, r.end_time + INTERVAL 5 MINUTE <= now64(9),
  if(r.requests = 0, toInt64(begin) * 1000000000, toUnixTimestamp64Nano(r.first_call)),
  if(r.requests = 0, toInt64(begin) * 1000000000, toUnixTimestamp64Nano(r.last_call)),
  r.price_keys, cityHash64(arrayMap(key -> transform(key, prices.1, prices.2, toUInt64(0)), r.price_keys))
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
