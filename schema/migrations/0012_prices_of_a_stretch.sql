-- Prices of a stretch: only what holds while its calls begin (0: since before, or until after). A rate that is added,
-- corrected or ended for another time leaves its cells as they are.

-- All price books as arrays of one row, each book with its rates.
CREATE OR REPLACE VIEW price_hashes AS
SELECT groupArray(book) AS books, groupArray(known) AS rates
FROM (
  SELECT cityHash64(toString(provider), toString(model), toString(service_tier)) AS book,
    -- what a rate says in its time, and when that is
    arrayMap(rate -> (toUnixTimestamp64Milli(rate.valid_from) * 1000000, toUnixTimestamp64Milli(rate.valid_until) * 1000000,
      cityHash64(toString(tuple(rate.daily_from_s, rate.daily_until_s, rate.above_input_tokens, rate.input, rate.cache_read,
        rate.cache_write, rate.cache_write_1h, rate.thinking, rate.answer)))), rates) AS known
  FROM price_books
);

-- Stretches with cells: whether nothing has come to their requests since, and whether the prices are still those.
CREATE OR REPLACE VIEW rollup_coverage AS
WITH (SELECT (books, rates) FROM price_hashes) AS prices
SELECT s.step AS step, s.time AS time, s.build AS build, s.first_call_ns AS first_call_ns, s.last_call_ns AS last_call_ns,
  toUInt64(toUnixTimestamp64Micro(c.changed)) < s.build AS fresh,
  s.books = cityHash64(arrayMap(key -> arrayMap(rate -> (if(rate.1 <= s.first_call_ns, 0, rate.1), if(rate.2 > s.last_call_ns, 0, rate.2), rate.3),
    arrayFilter(rate -> rate.1 <= s.last_call_ns AND rate.2 > s.first_call_ns, prices.2[indexOf(prices.1, key)])),
    s.price_keys)) AS priced
FROM (
  SELECT * FROM rollup_stretches AS r WHERE r.time >= (SELECT begin FROM rollup_begin)
  ORDER BY r.build DESC LIMIT 1 BY r.step, r.time
) AS s
LEFT JOIN (
  SELECT 900 AS step, q.time AS time, max(q.changed) AS changed FROM rollup_changes AS q GROUP BY q.time
  UNION ALL
  SELECT 86400 AS step, toStartOfDay(d.time) AS time, max(d.changed) AS changed FROM rollup_changes AS d GROUP BY time
) AS c ON c.step = s.step AND c.time = s.time
SETTINGS join_use_nulls = 0;
