-- Amounts in cells, by the rates that they are reckoned from: an amount is linear in tokens of each bucket, so that a cell
-- keeps these, and a question multiplies them by the rates of now. Cells stay right when rates of past calls are corrected.
--
-- `parts` of a cell say of what its amounts are: (0, 0) of USD as providers report them, (0, rate) of tokens of that rate, in
-- millions, and (rate, rate), of squares alone, of products of two. A rate is a number of 61 bits of whose book, time, hours
-- and length it is, and of 3 bits of which bucket: 1 input, 2 cache read, 3 cache write, 4 the same for an hour, 5 thinking, 6 answer.
CREATE OR REPLACE TABLE cpq_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  task LowCardinality(String),
  settled UInt8,
  weight Float64,
  escalated UInt8,
  began_without_thinking UInt8,
  thought Int8,
  final_thought UInt8,
  final_correct Int8,
  began_correct Int8,
  final_label_probability Nullable(Float64),
  began_label_probability Nullable(Float64),
  requests UInt64,
  thinking_usd Array(Float64),
  calls UInt64,
  left_out_calls UInt64,
  costed_requests UInt64,
  costed_usd Array(Float64),
  parts Array(Tuple(UInt64, UInt64))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE OR REPLACE TABLE escr_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  task LowCardinality(String),
  settled UInt8,
  weight Float64,
  escalated UInt8,
  entry_tier UInt8,
  answer_tier UInt8,
  passed Int8,
  tier_1_correct Int8,
  final_correct Int8,
  label_probability Float64,
  requests UInt64,
  costed_requests UInt64,
  climb_usd Array(Float64),
  parts Array(Tuple(UInt64, UInt64))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE OR REPLACE TABLE cost_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  task LowCardinality(String),
  calls UInt64,
  answer_calls UInt64,
  weighted_calls Float64,
  sampled_calls UInt64,
  seen_usd Array(Float64),
  total_usd Array(Float64),
  verifier_usd Array(Float64),
  router_usd Array(Float64),
  input_usd Array(Float64),
  cache_usd Array(Float64),
  thinking_usd Array(Float64),
  answer_usd Array(Float64),
  partial_usd Array(Float64),
  unpriced_calls UInt64,
  unknown_calls UInt64,
  reported_calls UInt64,
  tokens Float64,
  unpriced_tokens Float64,
  input_tokens_sum Float64,
  output_tokens_sum Float64,
  thinking_tokens_sum Float64,
  parts Array(Tuple(UInt64, UInt64))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE OR REPLACE TABLE strategies_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  strategy LowCardinality(String),
  task LowCardinality(String),
  settled UInt8,
  weight Float64,
  is_correct Int8,
  label_probability Nullable(Float64),
  attempts UInt64,
  calls UInt64,
  thinking_known UInt64,
  thinking Int64,
  output_known UInt64,
  output Int64,
  costed_attempts UInt64,
  costed_usd Array(Float64),
  parts Array(Tuple(UInt64, UInt64))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE OR REPLACE TABLE overthinking_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  task LowCardinality(String),
  settled UInt8,
  weight Float64,
  length_bin Int16,
  is_correct Int8,
  label_probability Nullable(Float64),
  was_correct Int8,
  pair_probability Nullable(Float64),
  attempts UInt64,
  thinking Int64,
  thinking_usd Array(Float64),
  requests UInt64,
  counted_requests UInt64,
  request_tokens Int64,
  budgeted_calls UInt64,
  budget_use Float64,
  capped_calls UInt64,
  parts Array(Tuple(UInt64, UInt64))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE OR REPLACE TABLE routing_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  task LowCardinality(String),
  settled UInt8,
  weight Float64,
  at_tier UInt8,
  ends UInt8,
  entry UInt8,
  needed_tier Nullable(Int8),
  own_probability Nullable(Float64),
  probability Nullable(Float64),
  is_correct Int8,
  attempts UInt64,
  costed_attempts UInt64,
  attempt_usd Array(Float64),
  attempt_usd_squared Array(Float64),
  costed_requests UInt64,
  request_usd Array(Float64),
  request_usd_squared Array(Float64),
  parts Array(Tuple(UInt64, UInt64))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

-- Books of calls whose cost a provider reports: its parts are in the ratio of the rates, which is not linear in them.
ALTER TABLE rollup_stretches ADD COLUMN IF NOT EXISTS fixed_keys Array(UInt64) AFTER price_keys;

-- All price books as one row of arrays: a book's rates lie side by side, and place 1 stands for none.
CREATE OR REPLACE VIEW price_arrays AS
SELECT groupArray(book) AS books,
  -- where a book's rates begin, less one, and how many they are; `always`: its only rate, where that holds at all times
  arrayMap(n -> toUInt32(n), arrayPopBack(arrayPushFront(arrayCumSum(groupArray(size)), 0))) AS begins,
  groupArray(size) AS sizes,
  arrayMap((begin, is_constant) -> toUInt32(if(is_constant, begin + 2, 0)), begins, groupArray(constant)) AS always,
  arrayPushFront(arrayFlatten(groupArray(rates.valid_from)), toDateTime64(0, 3, 'UTC')) AS valid_from,
  arrayPushFront(arrayFlatten(groupArray(rates.valid_until)), toDateTime64(0, 3, 'UTC')) AS valid_until,
  arrayPushFront(arrayFlatten(groupArray(rates.daily_from_s)), 0) AS daily_from_s,
  arrayPushFront(arrayFlatten(groupArray(rates.daily_until_s)), 0) AS daily_until_s,
  arrayPushFront(arrayFlatten(groupArray(rates.above_input_tokens)), 0) AS above_input_tokens,
  -- a rate that is not known makes what is reckoned with it not known, too
  arrayPushFront(arrayMap(r -> ifNull(r, nan), arrayFlatten(groupArray(rates.input))), nan) AS input,
  arrayPushFront(arrayMap(r -> ifNull(r, nan), arrayFlatten(groupArray(rates.cache_read))), nan) AS cache_read,
  arrayPushFront(arrayMap(r -> ifNull(r, nan), arrayFlatten(groupArray(rates.cache_write))), nan) AS cache_write,
  arrayPushFront(arrayMap(r -> ifNull(r, nan), arrayFlatten(groupArray(rates.cache_write_1h))), nan) AS cache_write_1h,
  arrayPushFront(arrayMap(r -> ifNull(r, nan), arrayFlatten(groupArray(rates.thinking))), nan) AS thinking,
  arrayPushFront(arrayMap(r -> ifNull(r, nan), arrayFlatten(groupArray(rates.answer))), nan) AS answer,
  arrayPushFront(arrayFlatten(groupArray(numbers)), 0) AS numbers
FROM (
  SELECT cityHash64(toString(provider), toString(model), toString(service_tier)) AS book, rates, toUInt32(length(rates)) AS size,
    size = 1 AND toYear(rates[1].valid_from) <= 1970 AND toYear(rates[1].valid_until) >= 2199 AND rates[1].daily_from_s = 0
      AND rates[1].daily_until_s = 86400 AND rates[1].above_input_tokens < 0 AS constant,
    -- of a rate, without its bucket
    arrayMap(r -> bitAnd(cityHash64(book, toUnixTimestamp64Milli(r.valid_from), toUnixTimestamp64Milli(r.valid_until),
      r.daily_from_s, r.daily_until_s, r.above_input_tokens), bitNot(toUInt64(7))), rates) AS numbers
  FROM price_books
);

-- What each number of a rate says now, as one row. Of a number, `values` and `currents` have one element for each stretch of
-- time between the `edges` at which any book changes, from `begins` on: the rate there, and the number that it has now. A rate
-- that a book no longer has is that of its hours and length which holds in its place: in a stretch of rollups whose
-- `books` are those of now there is exactly one. Place 1 and on stand for none.
CREATE OR REPLACE VIEW rate_arrays AS
WITH (SELECT arraySort(groupUniqArrayArray(arrayConcat(b.rates.valid_from, b.rates.valid_until))) FROM price_books AS b) AS all_edges
SELECT any(all_edges) AS edges, groupArray(number) AS numbers,
  arrayMap(n -> toUInt32(n * (length(edges) + 1)), arrayEnumerate(numbers)) AS begins,
  arrayConcat(arrayResize([nan], length(edges) + 1, nan), groupArrayArray(said)) AS `values`,
  arrayConcat(arrayResize([toUInt64(0)], length(edges) + 1, 0), groupArrayArray(now)) AS currents
FROM (
  SELECT toUInt64(0) AS number, arrayResize([toFloat64(1)], length(all_edges) + 1, 1) AS said,
    arrayResize([toUInt64(0)], length(all_edges) + 1, 0) AS now
  UNION ALL
  SELECT place + bucket AS number,
    arrayMap(r -> ifNull([r.input, r.cache_read, r.cache_write, r.cache_write_1h, r.thinking, r.answer][bucket], nan), held) AS said,
    arrayMap(r -> bitAnd(cityHash64(book, toUnixTimestamp64Milli(r.valid_from), toUnixTimestamp64Milli(r.valid_until),
      r.daily_from_s, r.daily_until_s, r.above_input_tokens), bitNot(toUInt64(7))) + bucket, held) AS now
  FROM (
    SELECT k.book AS book,
      bitAnd(cityHash64(k.book, toUnixTimestamp64Milli(k.valid_from), toUnixTimestamp64Milli(k.valid_until),
        k.daily_from_s, k.daily_until_s, k.above_input_tokens), bitNot(toUInt64(7))) AS place,
      arrayMap(edge -> arrayLast(r -> r.daily_from_s = k.daily_from_s AND r.daily_until_s = k.daily_until_s
          AND r.above_input_tokens = k.above_input_tokens
          AND greatest(k.valid_from, least(edge, k.valid_until - toIntervalMillisecond(1))) >= r.valid_from
          AND greatest(k.valid_from, least(edge, k.valid_until - toIntervalMillisecond(1))) < r.valid_until, b.rates),
        arrayPushFront(all_edges, toDateTime64(0, 3, 'UTC'))) AS held
    FROM (
      SELECT DISTINCT cityHash64(toString(provider), toString(model), toString(service_tier)) AS book, valid_from, valid_until,
        daily_from_s, daily_until_s, above_input_tokens
      FROM prices
    ) AS k
    INNER JOIN (
      SELECT cityHash64(toString(provider), toString(model), toString(service_tier)) AS book, rates FROM price_books
    ) AS b ON b.book = k.book
  )
  ARRAY JOIN range(toUInt8(1), toUInt8(7)) AS bucket
);

-- All price books as arrays of one row, each book with its rates: when they hold, what makes their calls and amounts
-- others than those of another rate, and all that they say.
CREATE OR REPLACE VIEW price_hashes AS
SELECT groupArray(book) AS books, groupArray(known) AS rates
FROM (
  SELECT cityHash64(toString(provider), toString(model), toString(service_tier)) AS book,
    arrayMap(rate -> (toUnixTimestamp64Milli(rate.valid_from) * 1000000, toUnixTimestamp64Milli(rate.valid_until) * 1000000,
      cityHash64(rate.daily_from_s, rate.daily_until_s, rate.above_input_tokens, isNull(rate.input), isNull(rate.cache_read),
        isNull(rate.cache_write), isNull(rate.cache_write_1h), isNull(rate.thinking), isNull(rate.answer),
        -- output whose thinking is unknown has a price
        ifNull(rate.thinking = rate.answer, false)),
      cityHash64(toString(tuple(rate.daily_from_s, rate.daily_until_s, rate.above_input_tokens, rate.input, rate.cache_read,
        rate.cache_write, rate.cache_write_1h, rate.thinking, rate.answer)))), rates) AS known
  FROM price_books
);

-- Stretches with cells: whether nothing has come to their requests since, and whether their amounts are still made of the
-- same rates, whatever these say. Those that were made before are not: `books` of theirs are numbers of another kind.
CREATE OR REPLACE VIEW rollup_coverage AS
WITH (SELECT (books, rates) FROM price_hashes) AS prices
SELECT s.step AS step, s.time AS time, s.build AS build, s.first_call_ns AS first_call_ns, s.last_call_ns AS last_call_ns,
  s.price_keys AS price_keys, s.fixed_keys AS fixed_keys,
  toUInt64(toUnixTimestamp64Micro(c.changed)) < s.build AS fresh,
  s.books = cityHash64('by rate', arrayMap(key -> arrayMap(rate -> (if(rate.1 <= s.first_call_ns, 0, rate.1), if(rate.2 > s.last_call_ns, 0, rate.2),
      if(has(s.fixed_keys, key), rate.4, rate.3)),
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
