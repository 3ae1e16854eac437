-- Alerts: what a class usually needs, what fired, who was told, and who was not to be.

-- New rows of call_facts are found by their version; what was merged long ago is passed over.
ALTER TABLE call_facts ADD INDEX IF NOT EXISTS version_range version TYPE minmax GRANULARITY 1;

-- What the requests of a task class used, as known in a minute; 'default' is all requests of the project.
CREATE TABLE IF NOT EXISTS runaway_baselines (
  project LowCardinality(String),
  task LowCardinality(String),
  -- requests that settled in [since, until); `until` is the minute that the baseline is for
  since DateTime('UTC'),
  until DateTime('UTC'),
  n UInt64,
  p95 Float64,
  -- what p95_factor multiplies; null where n is too small for any
  bound Nullable(Float64),
  made DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(until)
ORDER BY (project, until, task, made)
TTL until + INTERVAL 35 DAY;

-- Every change of state of an alert, append-only; the newest of a project, rule and key holds. A row is also the order
-- to tell its channels, so that what happened and who is to hear of it are stored in one step or not at all.
CREATE TABLE IF NOT EXISTS alert_events (
  project LowCardinality(String),
  rule LowCardinality(String),
  -- what of the rule: for 'runaway' the request
  key String CODEC(ZSTD),
  -- 'firing', 'resolved'
  state LowCardinality(String),
  time DateTime64(6, 'UTC'),
  -- the same change found again is the same event
  event String CODEC(ZSTD),
  dedup_key String CODEC(ZSTD),
  channels Array(LowCardinality(String)),
  -- why nobody is told: a silence, or that it is long over
  muted String,

  task LowCardinality(String),
  request_id String CODEC(ZSTD),
  model LowCardinality(String),
  began DateTime64(6, 'UTC'),
  ended DateTime64(6, 'UTC'),
  calls UInt64,
  -- calls whose thinking or cost is unknown: value and cost are then at least what is said
  unknown_calls UInt64,
  uncosted_calls UInt64,
  cost_usd Float64,

  -- what was compared: for 'runaway' the request's thinking tokens
  value Float64,
  threshold Float64,
  -- what the threshold is made of: max(p95_factor x baseline_bound, floor_tokens), or cap_tokens where the task class
  -- and its parents are too small for a bound; baseline_task is then ''
  p95_factor Float64,
  floor_tokens UInt64,
  cap_tokens Nullable(UInt64),
  baseline_task LowCardinality(String),
  baseline_since DateTime('UTC'),
  baseline_until DateTime('UTC'),
  baseline_n UInt64,
  baseline_p95 Nullable(Float64),
  baseline_bound Nullable(Float64),

  INDEX time_range time TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(time)
PARTITION BY toYYYYMM(time)
ORDER BY (project, rule, key, event);

-- Every try to tell a channel, append-only: 'sending' before it, then 'sent', 'retrying' or 'failed'.
CREATE TABLE IF NOT EXISTS alert_attempts (
  time DateTime64(6, 'UTC'),
  project LowCardinality(String),
  rule LowCardinality(String),
  task LowCardinality(String),
  event String CODEC(ZSTD),
  alert_state LowCardinality(String),
  channel LowCardinality(String),
  attempt UInt32,
  state LowCardinality(String),
  -- several events can share a message; what it is known by at the channel, and how many events it holds
  message String CODEC(ZSTD),
  members UInt32,
  -- the process that tried: 'sending' by one that is gone may or may not have arrived
  owner String,
  perhaps_sent Bool,
  error String CODEC(ZSTD),
  next_attempt Nullable(DateTime64(6, 'UTC')),

  INDEX time_range time TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (event, channel, attempt, time);

-- Where nobody is to be told; the newest row of an id holds. An empty condition holds for all.
CREATE TABLE IF NOT EXISTS alert_silences (
  id String,
  recorded DateTime64(6, 'UTC') DEFAULT now64(6),
  project String,
  rule String,
  task String,
  key String,
  since DateTime64(6, 'UTC'),
  until DateTime64(6, 'UTC'),
  reason String,
  created_by String
)
ENGINE = ReplacingMergeTree(recorded)
ORDER BY id;

-- Who does what only one process may do; whoever inserted a term first has it until it ends.
CREATE TABLE IF NOT EXISTS leases (
  name LowCardinality(String),
  term UInt64,
  owner String,
  until DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY (name, term)
TTL toDateTime(until) + INTERVAL 1 DAY
SETTINGS non_replicated_deduplication_window = 1000;

-- State of every alert that ever fired.
CREATE OR REPLACE VIEW alert_states AS
SELECT project, rule, key, argMax(e.state, (e.time, e.state = 'resolved')) AS state, min(e.time) AS since,
  max(e.time) AS changed, argMax(e.task, e.time) AS task, argMax(e.request_id, e.time) AS request_id,
  argMax(e.value, e.time) AS value, argMin(e.threshold, e.time) AS threshold
FROM alert_events AS e
GROUP BY project, rule, key;

-- What became of every order to tell a channel.
CREATE OR REPLACE VIEW alert_deliveries AS
WITH tried AS (
  SELECT event, channel, max(a.attempt) AS attempts, argMax(a.state, (a.attempt, a.state != 'sending')) AS state,
    argMaxIf(a.error, a.attempt, a.error != '') AS last_error, argMax(a.next_attempt, (a.attempt, a.state != 'sending')) AS next_attempt,
    minIf(a.time, a.state = 'sent') AS sent, argMax(a.message, a.attempt) AS message
  FROM alert_attempts AS a
  GROUP BY event, channel
)
SELECT e.project AS project, e.rule AS rule, e.key AS key, e.task AS task, e.request_id AS request_id, e.event AS event,
  e.alert_state AS alert_state, e.channel AS channel, multiIf(t.state IN ('sent', 'failed'), t.state,
    -- after so long nobody tries any more, as where a channel is not configured any more
    e.created < now64(6) - INTERVAL 3 DAY, 'failed', t.state = '', 'pending', t.state) AS state, e.created AS created,
  t.attempts AS attempts, t.last_error AS last_error, if(t.state = 'retrying', t.next_attempt, NULL) AS next_attempt,
  if(t.state = 'sent', t.sent, NULL) AS sent, dateDiff('millisecond', created, sent) AS delay_ms, t.message AS message
FROM (
  SELECT project, rule, key, task, request_id, event, state AS alert_state, time AS created, arrayJoin(channels) AS channel
  FROM alert_events FINAL
) AS e
LEFT JOIN tried AS t ON t.event = e.event AND t.channel = e.channel
SETTINGS join_use_nulls = 0;
