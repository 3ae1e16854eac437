-- Requests, flat: a row has all that its calls, attempts, verdicts and labels come to, and no money. Whatever touches a
-- request makes its row anew, whole; amounts are found on reading, so that other prices change history at once.

-- When the store took them, which is how a job knows what it has not seen. Rows that are there already count from when
-- they came to the collector.
ALTER TABLE verdicts ADD COLUMN IF NOT EXISTS inserted DateTime64(6, 'UTC') MATERIALIZED received CODEC(Delta, ZSTD);
ALTER TABLE verdicts MATERIALIZE COLUMN inserted SETTINGS mutations_sync = 2;
ALTER TABLE verdicts MODIFY COLUMN inserted DateTime64(6, 'UTC') MATERIALIZED now64(6) CODEC(Delta, ZSTD);
ALTER TABLE verdicts ADD INDEX IF NOT EXISTS inserted_range inserted TYPE minmax GRANULARITY 1;
ALTER TABLE labels ADD COLUMN IF NOT EXISTS inserted DateTime64(6, 'UTC') MATERIALIZED received CODEC(Delta, ZSTD);
ALTER TABLE labels MATERIALIZE COLUMN inserted SETTINGS mutations_sync = 2;
ALTER TABLE labels MODIFY COLUMN inserted DateTime64(6, 'UTC') MATERIALIZED now64(6) CODEC(Delta, ZSTD);
ALTER TABLE labels ADD INDEX IF NOT EXISTS inserted_range inserted TYPE minmax GRANULARITY 1;

CREATE TABLE IF NOT EXISTS request_facts (
  project LowCardinality(String),
  request_id String CODEC(ZSTD),
  task LowCardinality(String),
  -- of its first attempt; where nothing answered, of its first call
  time DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  end_time DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  -- its calls began in [first_call, last_call]
  first_call DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  last_call DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  user_id String CODEC(ZSTD),
  session_id String CODEC(ZSTD),
  weight Float64,
  sampling_known UInt8,

  input_tokens Nullable(Int64) CODEC(T64, ZSTD),
  output_tokens Nullable(Int64) CODEC(T64, ZSTD),
  known_thinking_tokens Int64 CODEC(T64, ZSTD),
  thinking_unknown_calls UInt32,

  -- in the order of their numbers
  attempts Nested (
    attempt UInt32,
    tier Nullable(UInt8),
    strategy LowCardinality(String),
    effort LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    environment LowCardinality(String),
    service_name LowCardinality(String),
    time DateTime64(9, 'UTC'),
    end_time DateTime64(9, 'UTC'),
    calls UInt32,
    answer_calls UInt32,
    failed_calls UInt32,
    input_tokens Nullable(Int64),
    output_tokens Nullable(Int64),
    known_thinking_tokens Int64,
    thinking_unknown_calls UInt32,
    verdicts Array(Tuple(time DateTime64(9, 'UTC'), attempt UInt32, verifier String, version String,
      score Nullable(Float64), threshold Nullable(Float64), passed Nullable(Bool))),
    verifier LowCardinality(String),
    verifier_version LowCardinality(String),
    verdict_score Nullable(Float64),
    verdict_threshold Nullable(Float64),
    verdict_passed Nullable(Bool),
    correct Nullable(Bool),
    label_source LowCardinality(String),
    label_time DateTime64(9, 'UTC'),
    label_sampling_probability Nullable(Float64)
  ),
  -- in the order of their begin
  calls Nested (
    time DateTime64(9, 'UTC'),
    attempt UInt32,
    answers UInt8,
    role LowCardinality(String),
    tier Nullable(UInt8),
    strategy LowCardinality(String),
    phase LowCardinality(String),
    effort LowCardinality(String),
    provider LowCardinality(String),
    model LowCardinality(String),
    service_tier LowCardinality(String),
    environment LowCardinality(String),
    service_name LowCardinality(String),
    -- by which its prices are found
    price_key UInt64,
    budget_tokens Nullable(Int64),
    input_tokens Nullable(Int64),
    cache_read_tokens Nullable(Int64),
    cache_write_tokens Nullable(Int64),
    cache_write_1h_tokens Nullable(Int64),
    output_tokens Nullable(Int64),
    thinking_tokens Nullable(Int64),
    thinking_source LowCardinality(String),
    reported_cost_usd Nullable(Float64),
    billed UInt8,
    duration_ns UInt64,
    time_to_first_chunk_ms Nullable(Float64),
    time_to_first_answer_ms Nullable(Float64),
    error_type LowCardinality(String),
    sampling_probability Nullable(Float64),
    merged_spans UInt32,
    thinking_above_output UInt8,
    cache_above_input UInt8,
    inserted DateTime64(6, 'UTC')
  ),
  version DateTime64(6, 'UTC'),
  is_deleted UInt8 DEFAULT 0,

  INDEX first_calls first_call TYPE minmax GRANULARITY 1,
  INDEX last_calls last_call TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(time)
ORDER BY (project, toDate(time), request_id);

-- What a run of the job works on, in pieces that fit into memory; of neighbours, so that a piece reads few rows.
CREATE TABLE IF NOT EXISTS changed_requests (
  run UInt64,
  piece UInt32,
  started DateTime('UTC') DEFAULT now(),
  project LowCardinality(String),
  request_id String CODEC(ZSTD)
)
ENGINE = MergeTree
ORDER BY (run, piece, project, request_id)
TTL started + INTERVAL 1 DAY;

-- How far the job has come, the newest row: what was inserted before `settled_until` is in, and requests that began at
-- `whole_from` or later are as `rules` make them, which are to be those of now. Older ones are made anew month by month,
-- in `pieces` of the run `rebuild`, of which so many are done.
CREATE TABLE IF NOT EXISTS request_progress (
  rules UInt64,
  recorded DateTime64(6, 'UTC') DEFAULT now64(6),
  settled_until DateTime64(6, 'UTC'),
  whole_from DateTime64(6, 'UTC'),
  rebuild UInt64,
  pieces_done UInt32,
  rows UInt64,
  duration_ms Float64
)
ENGINE = ReplacingMergeTree(recorded)
ORDER BY rules;

-- The rules that requests are made by, as one number.
CREATE OR REPLACE VIEW request_rules AS
SELECT cityHash64(arraySort(groupArray(rule))) AS rules
FROM (
  SELECT (toString(kind), position, attribute, pattern, value) AS rule FROM current_rules
  WHERE kind IN ('tier', 'task', 'never_thinks')
  UNION ALL
  SELECT ('verifier', 0, task, verifier, '') AS rule FROM policies
);

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
  arrayPushFront(arrayMap(r -> ifNull(r, nan), arrayFlatten(groupArray(rates.answer))), nan) AS answer
FROM (
  SELECT cityHash64(toString(provider), toString(model), toString(service_tier)) AS book, rates, toUInt32(length(rates)) AS size,
    size = 1 AND toYear(rates[1].valid_from) <= 1970 AND toYear(rates[1].valid_until) >= 2199 AND rates[1].daily_from_s = 0
      AND rates[1].daily_until_s = 86400 AND rates[1].above_input_tokens < 0 AS constant
  FROM price_books
);

-- Those of `evaluations` that need no looking up, since they name their request and attempt.
CREATE OR REPLACE VIEW placed_evaluations AS
SELECT project, true AS is_verdict, time, request_id, ifNull(v.attempt, 0) AS attempt, sample, toString(verifier) AS name,
  toString(v.version) AS version, score, threshold, passed AS outcome, '' AS source,
  CAST(NULL, 'Nullable(Float64)') AS sampling_probability
FROM verdicts AS v FINAL
WHERE NOT unplaced
UNION ALL
SELECT project, false AS is_verdict, time, request_id, ifNull(l.attempt, 0) AS attempt, CAST(NULL, 'Nullable(UInt32)') AS sample,
  '' AS name, '' AS version, CAST(NULL, 'Nullable(Float64)') AS score, CAST(NULL, 'Nullable(Float64)') AS threshold,
  correct AS outcome, toString(l.source) AS source, l.sampling_probability AS sampling_probability
FROM labels AS l FINAL
WHERE NOT unplaced;
