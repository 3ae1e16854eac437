-- A job that had nothing to do for longer than marks were kept began anew from the first span: of what is older than a
-- week, the highest mark of each job stays.
ALTER TABLE watermarks MODIFY TTL toDateTime(recorded) + INTERVAL 7 DAY GROUP BY job SET
  recorded = max(recorded), settled_until = max(settled_until), rows = sum(rows), duration_ms = sum(duration_ms);

-- What every rule on a metric saw of each group when it last looked: rows of one look have one time. For people, who
-- otherwise could not tell a rule that is content from one that has nothing to judge by; nothing is decided by it.
CREATE TABLE IF NOT EXISTS alert_readings (
  project LowCardinality(String),
  rule LowCardinality(String),
  -- what the group is told apart by; '' of a rule that saw none
  key String CODEC(ZSTD),
  time DateTime64(6, 'UTC'),
  -- 'firing', 'pending' (it holds, not for long enough yet), 'doubtful', 'ok', 'insufficient_data', 'error'
  state LowCardinality(String),
  -- since when it fires or holds
  since Nullable(DateTime64(6, 'UTC')),
  task LowCardinality(String),
  user_id String CODEC(ZSTD),
  session_id String CODEC(ZSTD),
  metric LowCardinality(String),
  -- what of the metric is looked at: 'value', or one of its details
  field LowCardinality(String),
  value Nullable(Float64),
  low Nullable(Float64),
  high Nullable(Float64),
  target Nullable(Float64),
  n UInt64,
  said String CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree(time)
ORDER BY (project, rule, key)
TTL toDateTime(time) + INTERVAL 1 DAY;
