-- Days, from their quarters.
INSERT INTO rollup_stretches (step, time, build, first_call_ns, last_call_ns, price_keys, books)
WITH (SELECT (books, rates) FROM price_hashes) AS prices
SELECT 86400, toStartOfDay(s.time) AS day, {build:UInt64}, min(first_call_ns) AS first_ns, max(last_call_ns) AS last_ns,
  arraySort(groupUniqArrayArray(price_keys)) AS all_keys,
  cityHash64(arrayMap(key -> arrayMap(rate -> (if(rate.1 <= first_ns, 0, rate.1), if(rate.2 > last_ns, 0, rate.2), rate.3),
    arrayFilter(rate -> rate.1 <= last_ns AND rate.2 > first_ns, prices.2[indexOf(prices.1, key)])), all_keys))
FROM rollup_stretches AS s
WHERE {of_days}
GROUP BY day
