-- Days, from their quarters.
INSERT INTO rollup_stretches (step, time, build, first_call_ns, last_call_ns, price_keys, books)
WITH (SELECT (books, hashes) FROM price_hashes) AS prices
SELECT 86400, toStartOfDay(s.time) AS day, {build:UInt64}, min(first_call_ns), max(last_call_ns),
  arraySort(groupUniqArrayArray(price_keys)) AS all_keys,
  cityHash64(arrayMap(key -> transform(key, prices.1, prices.2, toUInt64(0)), all_keys))
FROM rollup_stretches AS s
WHERE {of_days}
GROUP BY day
