-- Rollups: the cells of metrics, counted once for each quarter of an hour and each day. A row of `request_facts` belongs to the
-- quarter in which its request begins, with all its calls; so the cells of a window are the sums of those of its parts.

-- In the order of quarters, so that a quarter is read without the rest of its day, and the row of a request that has come to
-- begin in another one is removed from the old one by a row of its own. The job makes all requests anew.
CREATE OR REPLACE TABLE request_facts AS request_facts
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(time)
ORDER BY (project, toStartOfFifteenMinutes(time), request_id);
TRUNCATE TABLE request_progress;

-- When a row of `request_facts` last came to each quarter. It is told by the insert itself, so nothing can be missed.
CREATE TABLE IF NOT EXISTS rollup_changes (
  time DateTime('UTC'),
  changed SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY time;
CREATE MATERIALIZED VIEW IF NOT EXISTS changed_quarters TO rollup_changes AS
SELECT toStartOfFifteenMinutes(f.time) AS time, now64(6, 'UTC') AS changed FROM request_facts AS f GROUP BY time;

-- Stretches of `step` seconds whose cells are there, the newest `build` of each: microseconds since 1970 before which all that
-- had come to their requests is in. Older ones stay for a while, for readers that are at it. Calls of these requests began in [first_call_ns, last_call_ns].
CREATE TABLE IF NOT EXISTS rollup_stretches (
  step UInt32,
  time DateTime('UTC'),
  build UInt64,
  first_call_ns Int64,
  last_call_ns Int64,
  price_keys Array(UInt64),
  -- the price books of these keys, as one number
  books UInt64
)
ENGINE = MergeTree
ORDER BY (step, time, build);

CREATE OR REPLACE VIEW price_hashes AS
SELECT groupArray(book) AS books, groupArray(hash) AS hashes
FROM (
  SELECT cityHash64(toString(provider), toString(model), toString(service_tier)) AS book, cityHash64(toString(rates)) AS hash
  FROM price_books
);

-- Since when `[retention]` keeps requests: older ones may be gone from `request_facts` and are in cells still.
CREATE OR REPLACE VIEW rollup_begin AS
SELECT if(max(days) = 0, toDateTime(0, 'UTC'), toDateTime(now() - toIntervalDay(max(days)), 'UTC')) AS begin
FROM (
  SELECT toUInt32OrZero(extract(engine_full, 'toIntervalDay\\((\\d+)\\)')) AS days
  FROM system.tables WHERE database = currentDatabase() AND name = 'request_facts'
);

-- Stretches with cells: whether nothing has come to their requests since, and whether the prices are still those.
CREATE OR REPLACE VIEW rollup_coverage AS
WITH (SELECT (books, hashes) FROM price_hashes) AS prices
SELECT s.step AS step, s.time AS time, s.build AS build, s.first_call_ns AS first_call_ns, s.last_call_ns AS last_call_ns,
  toUInt64(toUnixTimestamp64Micro(c.changed)) < s.build AS fresh,
  s.books = cityHash64(arrayMap(key -> transform(key, prices.1, prices.2, toUInt64(0)), s.price_keys)) AS priced
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

-- In how many requests of a stretch which kinds of calls come together: requests are told apart by any of them, once each.
CREATE TABLE IF NOT EXISTS reach_cells (
  step UInt32,
  time DateTime('UTC') CODEC(Delta, ZSTD),
  build UInt64 CODEC(Delta, ZSTD),
  project LowCardinality(String),
  task LowCardinality(String),
  kinds Array(Tuple(quarter DateTime('UTC'), environment String, model String, tier Nullable(UInt8), provider String)),
  requests UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

-- The cells of each metric: what its rows are grouped by, and their sums. `quarter` is that of the row's own time.
CREATE TABLE IF NOT EXISTS ttr_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  task LowCardinality(String),
  settled UInt8,
  weight Float64,
  tokens Int64,
  requests UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE TABLE IF NOT EXISTS vrate_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  verifier LowCardinality(String),
  version LowCardinality(String),
  task LowCardinality(String),
  settled UInt8,
  weight Float64,
  passed Int8,
  is_correct Int8,
  label_probability Nullable(Float64),
  in_tier_1 UInt8,
  score Float64,
  attempts UInt64,
  score_sum Float64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE TABLE IF NOT EXISTS cpq_cells (
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
  thinking_usd Float64,
  calls UInt64,
  left_out_calls UInt64,
  costed_requests UInt64,
  costed_usd Float64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE TABLE IF NOT EXISTS escr_cells (
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
  climb_usd Float64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE TABLE IF NOT EXISTS cost_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  task LowCardinality(String),
  calls UInt64,
  answer_calls UInt64,
  weighted_calls Float64,
  sampled_calls UInt64,
  seen_usd Float64,
  total_usd Float64,
  verifier_usd Float64,
  router_usd Float64,
  input_usd Float64,
  cache_usd Float64,
  thinking_usd Float64,
  answer_usd Float64,
  partial_usd Float64,
  unpriced_calls UInt64,
  unknown_calls UInt64,
  reported_calls UInt64,
  tokens Float64,
  unpriced_tokens Float64,
  input_tokens_sum Float64,
  output_tokens_sum Float64,
  thinking_tokens_sum Float64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE TABLE IF NOT EXISTS coverage_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  task LowCardinality(String),
  calls UInt64,
  spans UInt64,
  repeated_spans Int64,
  refused_calls UInt64,
  billed_calls UInt64,
  measured_calls UInt64,
  thinking_unknown_calls UInt64,
  thinking_estimated_calls UInt64,
  thinking_above_output_calls UInt64,
  cache_above_input_calls UInt64,
  unpriced_calls UInt64,
  usage_unknown_calls UInt64,
  tokens Int64,
  unpriced_tokens Int64,
  tier_unknown_calls UInt64,
  task_unknown_calls UInt64,
  sampling_unknown_calls UInt64,
  late_calls UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE TABLE IF NOT EXISTS strategies_cells (
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
  costed_usd Float64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE TABLE IF NOT EXISTS overthinking_cells (
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
  thinking_usd Float64,
  requests UInt64,
  counted_requests UInt64,
  request_tokens Int64,
  budgeted_calls UInt64,
  budget_use Float64,
  capped_calls UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE TABLE IF NOT EXISTS routing_cells (
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
  attempt_usd Float64,
  attempt_usd_squared Float64,
  costed_requests UInt64,
  request_usd Float64,
  request_usd_squared Float64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE TABLE IF NOT EXISTS latency_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  until LowCardinality(String),
  measure_name LowCardinality(String),
  task LowCardinality(String),
  ms Float64,
  weight Float64,
  calls UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);
