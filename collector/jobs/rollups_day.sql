-- Days of which all quarters are there by the prices of now, and those prices as one number. Cells of a day are reckoned by
-- rates as of its begin, so that it reaches back to there, also where nothing was called before noon.
WITH (SELECT (books, rates) FROM price_hashes) AS prices
SELECT toStartOfDay(s.time) AS day, least(min(first_call_ns), toUnixTimestamp64Nano(toDateTime64(day, 9))) AS first_ns, max(last_call_ns) AS last_ns,
  arraySort(groupUniqArrayArray(price_keys)) AS all_keys, arraySort(groupUniqArrayArray(fixed_keys)) AS fixed, {books},
  cityHash64(arraySort(arrayZip(prices.1, prices.2))) AS all_prices
FROM rollup_coverage AS s
WHERE s.step = 900 AND toStartOfDay(s.time) IN {days:Array(DateTime('UTC'))}
GROUP BY day
HAVING min(s.priced)
