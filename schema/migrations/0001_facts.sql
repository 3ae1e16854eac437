-- Facts as they arrive: append-only, never rewritten. Everything else is derived from these tables.
-- Token columns already mean what METRICS means by them (input with cache, output with thinking): the
-- collector's dialect table translated them; whatever it translated from stays in `attributes`.

CREATE TABLE IF NOT EXISTS spans (
  project LowCardinality(String),
  -- when the collector took it, and when the store did: late is what lies between
  received DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  inserted DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD),
  trace_id String CODEC(ZSTD),
  span_id String CODEC(ZSTD),
  parent_span_id String CODEC(ZSTD),
  trace_state String CODEC(ZSTD),
  name String CODEC(ZSTD),
  kind LowCardinality(String),
  time DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  duration_ns UInt64 CODEC(T64, ZSTD),
  status LowCardinality(String),
  status_message String CODEC(ZSTD),
  scope_name LowCardinality(String),
  scope_version LowCardinality(String),
  service_name LowCardinality(String),
  environment LowCardinality(String),
  resource_attributes Map(LowCardinality(String), String) CODEC(ZSTD),

  -- which dialect claimed the span ('' for none) and what the span is:
  -- 'inference', 'request', 'attempt', 'agent', 'tool', 'other'
  dialect LowCardinality(String),
  span_class LowCardinality(String),

  operation LowCardinality(String),
  provider LowCardinality(String),
  request_model LowCardinality(String),
  response_model LowCardinality(String),
  response_id String CODEC(ZSTD),
  request_id String CODEC(ZSTD),
  task LowCardinality(String),
  tier Nullable(UInt8),
  attempt Nullable(UInt32),
  strategy LowCardinality(String),
  sample Nullable(UInt32),
  role LowCardinality(String),
  phase LowCardinality(String),
  service_tier LowCardinality(String),
  effort LowCardinality(String),
  budget_tokens Nullable(Int64) CODEC(T64, ZSTD),
  input_tokens Nullable(Int64) CODEC(T64, ZSTD),
  cache_read_tokens Nullable(Int64) CODEC(T64, ZSTD),
  cache_write_tokens Nullable(Int64) CODEC(T64, ZSTD),
  cache_write_1h_tokens Nullable(Int64) CODEC(T64, ZSTD),
  output_tokens Nullable(Int64) CODEC(T64, ZSTD),
  thinking_tokens Nullable(Int64) CODEC(T64, ZSTD),
  thinking_source LowCardinality(String),
  reported_cost_usd Nullable(Float64) CODEC(ZSTD),
  time_to_first_chunk_ms Nullable(Float64) CODEC(ZSTD),
  time_to_first_answer_ms Nullable(Float64) CODEC(ZSTD),
  finish_reason LowCardinality(String),
  error_type LowCardinality(String),
  user_id String CODEC(ZSTD),
  session_id String CODEC(ZSTD),
  sampling_probability Nullable(Float64) CODEC(ZSTD),
  usage_raw String CODEC(ZSTD),

  -- every attribute that has no column of its own under this very name, as text
  attributes Map(LowCardinality(String), String) CODEC(ZSTD),
  event_times Array(DateTime64(9, 'UTC')) CODEC(ZSTD),
  event_names Array(LowCardinality(String)) CODEC(ZSTD),
  event_attributes Array(Map(LowCardinality(String), String)) CODEC(ZSTD),

  INDEX time_range time TYPE minmax GRANULARITY 1,
  INDEX inserted_range inserted TYPE minmax GRANULARITY 1,
  INDEX response_ids response_id TYPE bloom_filter(0.01) GRANULARITY 4,
  INDEX request_ids request_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree(received)
PARTITION BY toYYYYMM(time)
ORDER BY (project, trace_id, span_id)
SETTINGS non_replicated_deduplication_window = 10000,
  vertical_merge_algorithm_min_rows_to_activate = 1,
  vertical_merge_algorithm_min_columns_to_activate = 1;

-- Log records of GenAI instrumentation, whole; verdicts and labels are read out of them on the way in.
CREATE TABLE IF NOT EXISTS log_records (
  project LowCardinality(String),
  received DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  time DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  trace_id String CODEC(ZSTD),
  span_id String CODEC(ZSTD),
  event_name LowCardinality(String),
  severity LowCardinality(String),
  body String CODEC(ZSTD),
  scope_name LowCardinality(String),
  service_name LowCardinality(String),
  environment LowCardinality(String),
  resource_attributes Map(LowCardinality(String), String) CODEC(ZSTD),
  attributes Map(LowCardinality(String), String) CODEC(ZSTD),
  -- a log record has no id of its own: equal content at an equal instant is one record
  content_hash UInt64 CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree(received)
PARTITION BY toYYYYMM(time)
ORDER BY (project, time, content_hash)
SETTINGS non_replicated_deduplication_window = 10000;

-- Every verdict ever given; which one decides is settled on reading.
CREATE TABLE IF NOT EXISTS verdicts (
  project LowCardinality(String),
  received DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  time DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  request_id String CODEC(ZSTD),
  attempt Nullable(UInt32),
  sample Nullable(UInt32),
  -- of the span that was judged: the parent of the log record, or the span that carries the event
  trace_id String CODEC(ZSTD),
  span_id String CODEC(ZSTD),
  response_id String CODEC(ZSTD),
  verifier LowCardinality(String),
  version LowCardinality(String),
  score Nullable(Float64),
  threshold Nullable(Float64),
  -- its label, else score >= threshold, else null
  passed Nullable(Bool),
  explanation String CODEC(ZSTD),
  -- does not name its request and attempt by itself: has to be looked up by span, response or trace
  unplaced Bool MATERIALIZED request_id = '' OR (attempt IS NULL AND (span_id != '' OR response_id != '')),

  INDEX unplaced_range unplaced TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(received)
PARTITION BY toYYYYMM(time)
ORDER BY (project, request_id, trace_id, span_id, response_id, ifNull(attempt, 0), ifNull(sample, 4294967295), verifier, version, time)
SETTINGS non_replicated_deduplication_window = 10000;

-- Every label ever given; which one holds is settled on reading.
CREATE TABLE IF NOT EXISTS labels (
  project LowCardinality(String),
  received DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  time DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  request_id String CODEC(ZSTD),
  -- null: speaks of the final attempt as known when read
  attempt Nullable(UInt32),
  trace_id String CODEC(ZSTD),
  span_id String CODEC(ZSTD),
  response_id String CODEC(ZSTD),
  correct Nullable(Bool),
  -- 'human', 'test', 'reference'
  source LowCardinality(String),
  labeler String CODEC(ZSTD),
  -- probability with which this attempt was chosen for labelling, where one was recorded
  sampling_probability Nullable(Float64),
  explanation String CODEC(ZSTD),
  -- does not name its request and attempt by itself: has to be looked up by span, response or trace
  unplaced Bool MATERIALIZED request_id = '' OR (attempt IS NULL AND (span_id != '' OR response_id != '')),

  INDEX unplaced_range unplaced TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(received)
PARTITION BY toYYYYMM(time)
ORDER BY (project, request_id, trace_id, span_id, response_id, ifNull(attempt, 0), source, labeler, time)
SETTINGS non_replicated_deduplication_window = 10000;

-- Dated prices, append-only. A price book is all rows of one (provider, model, service_tier) that were
-- recorded together; the newest holds, older ones stay to explain what was shown then.
CREATE TABLE IF NOT EXISTS prices (
  provider LowCardinality(String),
  model LowCardinality(String),
  service_tier LowCardinality(String),
  recorded DateTime64(6, 'UTC'),
  -- the call's time lies in [valid_from, valid_until)
  valid_from DateTime64(3, 'UTC'),
  valid_until DateTime64(3, 'UTC'),
  -- time of day in seconds from midnight UTC, [from, until); 0 and 86400 for all day
  daily_from_s UInt32 DEFAULT 0,
  daily_until_s UInt32 DEFAULT 86400,
  -- input tokens of the call lie in (above_input_tokens, ...]: the highest bracket below the call holds
  above_input_tokens Int64 DEFAULT -1,
  input_per_mtok_usd Nullable(Float64),
  cache_read_per_mtok_usd Nullable(Float64),
  cache_write_per_mtok_usd Nullable(Float64),
  cache_write_1h_per_mtok_usd Nullable(Float64),
  thinking_per_mtok_usd Nullable(Float64),
  answer_per_mtok_usd Nullable(Float64),
  -- 'genai-prices 0.2.3', 'override', 'self_hosted'; '' and null rates: looked up, no price known
  source String
)
ENGINE = MergeTree
ORDER BY (provider, model, service_tier, recorded);

-- Rules of the configuration that take part in reading, so that every reader sees the same numbers.
-- kind 'tier': value = tier for models that match; 'task': value = task class where `attribute` matches;
-- 'never_thinks': models whose absent thinking count is a known 0; 'policy': attribute = task class, value = JSON;
-- 'timezone': value = IANA name of where days begin.
-- The rows of the newest revision of a kind hold.
CREATE TABLE IF NOT EXISTS rules (
  kind LowCardinality(String),
  revision DateTime64(6, 'UTC'),
  position UInt32,
  attribute String,
  pattern String,
  value String
)
ENGINE = MergeTree
ORDER BY (kind, revision, position);
