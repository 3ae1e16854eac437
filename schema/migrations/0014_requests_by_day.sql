-- Calls, verdicts and labels lie by day, and by request within one: what concerns the requests of a day is read without the
-- rest of history, and a reader that merges versions finds each day in few parts. Which days a request has is looked up.

-- A copy of each table takes its place. Every statement can be repeated, wherever the last try was cut off, and what comes
-- in meanwhile stays: what the table that was replaced has is brought over once more.

CREATE TABLE IF NOT EXISTS replaced_call_facts AS call_facts;
INSERT INTO call_facts SELECT * FROM replaced_call_facts
SETTINGS max_threads = 1, max_insert_threads = 1, min_insert_block_size_rows = 250000;
DROP TABLE replaced_call_facts SYNC;
CREATE TABLE replaced_call_facts AS call_facts
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(time)
ORDER BY (project, toDate(time), request_id, time, trace_id, span_id)
SETTINGS index_granularity = 2048;
ALTER TABLE replaced_call_facts
  ADD INDEX IF NOT EXISTS request_ids request_id TYPE bloom_filter(0.01) GRANULARITY 1,
  ADD INDEX IF NOT EXISTS versions version TYPE minmax GRANULARITY 4;
INSERT INTO replaced_call_facts SELECT * FROM call_facts
-- in pieces that fit into memory
SETTINGS max_threads = 1, max_insert_threads = 1, min_insert_block_size_rows = 250000;
EXCHANGE TABLES call_facts AND replaced_call_facts;
INSERT INTO call_facts SELECT * FROM replaced_call_facts WHERE version >= now64(6) - INTERVAL 1 DAY
SETTINGS max_threads = 1, max_insert_threads = 1, min_insert_block_size_rows = 250000;
DROP TABLE replaced_call_facts SYNC;

CREATE TABLE IF NOT EXISTS replaced_verdicts AS verdicts;
INSERT INTO verdicts (project, received, inserted, time, request_id, attempt, sample, trace_id, span_id, response_id, verifier,
  version, score, threshold, passed, explanation)
SELECT project, received, inserted, time, request_id, attempt, sample, trace_id, span_id, response_id, verifier,
  version, score, threshold, passed, explanation
FROM replaced_verdicts
SETTINGS insert_allow_materialized_columns = 1;
DROP TABLE replaced_verdicts SYNC;
CREATE TABLE replaced_verdicts AS verdicts
ENGINE = ReplacingMergeTree(received)
PARTITION BY toYYYYMM(time)
ORDER BY (project, toDate(time), request_id, trace_id, span_id, response_id, ifNull(attempt, 0), ifNull(sample, 4294967295),
  verifier, version, time)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 2048;
ALTER TABLE replaced_verdicts ADD INDEX IF NOT EXISTS request_ids request_id TYPE bloom_filter(0.01) GRANULARITY 1;
INSERT INTO replaced_verdicts (project, received, inserted, time, request_id, attempt, sample, trace_id, span_id, response_id,
  verifier, version, score, threshold, passed, explanation)
SELECT project, received, inserted, time, request_id, attempt, sample, trace_id, span_id, response_id, verifier,
  version, score, threshold, passed, explanation
FROM verdicts
SETTINGS insert_allow_materialized_columns = 1;
EXCHANGE TABLES verdicts AND replaced_verdicts;
INSERT INTO verdicts (project, received, inserted, time, request_id, attempt, sample, trace_id, span_id, response_id, verifier,
  version, score, threshold, passed, explanation)
SELECT project, received, inserted, time, request_id, attempt, sample, trace_id, span_id, response_id, verifier,
  version, score, threshold, passed, explanation
FROM replaced_verdicts
WHERE inserted >= now64(6) - INTERVAL 1 DAY
SETTINGS insert_allow_materialized_columns = 1;
DROP TABLE replaced_verdicts SYNC;

CREATE TABLE IF NOT EXISTS replaced_labels AS labels;
INSERT INTO labels (project, received, inserted, time, request_id, attempt, trace_id, span_id, response_id, correct, source,
  labeler, sampling_probability, explanation)
SELECT project, received, inserted, time, request_id, attempt, trace_id, span_id, response_id, correct, source,
  labeler, sampling_probability, explanation
FROM replaced_labels
SETTINGS insert_allow_materialized_columns = 1;
DROP TABLE replaced_labels SYNC;
CREATE TABLE replaced_labels AS labels
ENGINE = ReplacingMergeTree(received)
PARTITION BY toYYYYMM(time)
ORDER BY (project, toDate(time), request_id, trace_id, span_id, response_id, ifNull(attempt, 0), source, labeler, time)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 2048;
ALTER TABLE replaced_labels ADD INDEX IF NOT EXISTS request_ids request_id TYPE bloom_filter(0.01) GRANULARITY 1;
INSERT INTO replaced_labels (project, received, inserted, time, request_id, attempt, trace_id, span_id, response_id, correct,
  source, labeler, sampling_probability, explanation)
SELECT project, received, inserted, time, request_id, attempt, trace_id, span_id, response_id, correct, source,
  labeler, sampling_probability, explanation
FROM labels
SETTINGS insert_allow_materialized_columns = 1;
EXCHANGE TABLES labels AND replaced_labels;
INSERT INTO labels (project, received, inserted, time, request_id, attempt, trace_id, span_id, response_id, correct, source,
  labeler, sampling_probability, explanation)
SELECT project, received, inserted, time, request_id, attempt, trace_id, span_id, response_id, correct, source,
  labeler, sampling_probability, explanation
FROM replaced_labels
WHERE inserted >= now64(6) - INTERVAL 1 DAY
SETTINGS insert_allow_materialized_columns = 1;
DROP TABLE replaced_labels SYNC;

-- The days of which a request has calls (kinds: 1), verdicts (2) or labels (4) that name it, or had them. The job that makes
-- requests writes down those of all that has come before it looks.
CREATE TABLE IF NOT EXISTS request_days (
  -- cityHash64 of project and request id: two requests of one number have more days than they need
  request UInt64,
  day Date,
  kinds SimpleAggregateFunction(groupBitOr, UInt8)
)
ENGINE = AggregatingMergeTree
ORDER BY (request, day)
SETTINGS index_granularity = 1024;
INSERT INTO request_days
SELECT cityHash64(toString(project), request_id) AS request, toDate(time) AS day, 1 AS kinds FROM call_facts
UNION ALL
SELECT cityHash64(toString(project), request_id) AS request, toDate(time) AS day, 2 AS kinds FROM verdicts WHERE NOT unplaced
UNION ALL
SELECT cityHash64(toString(project), request_id) AS request, toDate(time) AS day, 4 AS kinds FROM labels WHERE NOT unplaced;

-- What a run of that job is to make anew, before it is said where it lies.
CREATE TABLE IF NOT EXISTS touched_requests (
  run UInt64,
  started DateTime('UTC') DEFAULT now(),
  project LowCardinality(String),
  request_id String CODEC(ZSTD)
)
ENGINE = MergeTree
ORDER BY (run, project, request_id)
TTL started + INTERVAL 1 DAY;
ALTER TABLE changed_requests
  ADD COLUMN IF NOT EXISTS call_days Array(Date),
  ADD COLUMN IF NOT EXISTS verdict_days Array(Date),
  ADD COLUMN IF NOT EXISTS label_days Array(Date);
-- Runs from before do not know the days: they are asked for again.
TRUNCATE TABLE changed_requests;

-- `evaluations` as in 0003, in parts, so that the job reads those of some days where nothing has to be looked up.
CREATE OR REPLACE VIEW said_verdicts AS
SELECT project, true AS is_verdict, time, request_id, attempt, sample, trace_id, span_id, response_id,
  toString(verifier) AS name, toString(version) AS version, score, threshold, passed AS outcome,
  '' AS source, CAST(NULL, 'Nullable(Float64)') AS sampling_probability, '' AS labeler, explanation, unplaced
FROM verdicts FINAL;
CREATE OR REPLACE VIEW said_labels AS
SELECT project, false AS is_verdict, time, request_id, attempt, CAST(NULL, 'Nullable(UInt32)') AS sample, trace_id, span_id,
  response_id, '' AS name, '' AS version, CAST(NULL, 'Nullable(Float64)') AS score,
  CAST(NULL, 'Nullable(Float64)') AS threshold, correct AS outcome, toString(source) AS source, sampling_probability,
  labeler, explanation, unplaced
FROM labels FINAL;

-- Those that do not name their request and attempt: by parent span, else by response id, else by trace.
CREATE OR REPLACE VIEW lost_evaluations AS
WITH lost AS (
  SELECT project, trace_id, span_id, response_id FROM verdicts WHERE unplaced
  UNION DISTINCT
  SELECT project, trace_id, span_id, response_id FROM labels WHERE unplaced
),
-- calls by request first, since attempts are counted over whole requests
judged_spans AS (
  SELECT project, trace_id, span_id, request_id, attempt
  FROM numbered_calls
  WHERE (project, request_id) IN (
    SELECT project, request_id FROM call_facts
    WHERE (project, trace_id, span_id) IN (SELECT project, trace_id, span_id FROM lost WHERE span_id != ''))
  UNION ALL
  SELECT project, trace_id, span_id, request_id, ifNull(attempt, 0) AS attempt
  FROM spans FINAL
  WHERE span_class != 'inference' AND request_id != ''
    AND (project, trace_id, span_id) IN (SELECT project, trace_id, span_id FROM lost WHERE span_id != '')
),
judged_responses AS (
  SELECT project, response_id, request_id, attempt
  FROM numbered_calls
  WHERE response_id != '' AND (project, request_id) IN (
    SELECT project, request_id FROM call_facts
    WHERE (project, response_id) IN (SELECT project, response_id FROM lost WHERE response_id != ''))
)
SELECT e.project AS project, e.is_verdict AS is_verdict, e.time AS time,
  multiIf(e.request_id != '', e.request_id, s.request_id != '', s.request_id, r.request_id != '', r.request_id, e.trace_id)
    AS request_id,
  multiIf(e.attempt IS NOT NULL, e.attempt, s.request_id = request_id, s.attempt, r.request_id = request_id, r.attempt, 0)
    AS attempt,
  e.sample AS sample, e.name AS name, e.version AS version, e.score AS score, e.threshold AS threshold,
  e.outcome AS outcome, e.source AS source, e.sampling_probability AS sampling_probability, e.labeler AS labeler,
  e.explanation AS explanation
FROM (
  SELECT * FROM said_verdicts WHERE unplaced
  UNION ALL
  SELECT * FROM said_labels WHERE unplaced
) AS e
LEFT ANY JOIN judged_spans AS s
  ON s.project = e.project AND s.trace_id = e.trace_id AND s.span_id = e.span_id
LEFT ANY JOIN judged_responses AS r
  ON r.project = e.project AND r.response_id = e.response_id
SETTINGS join_use_nulls = 0;

-- Those that do.
CREATE OR REPLACE VIEW placed_verdicts AS
SELECT project, is_verdict, time, request_id, ifNull(s.attempt, 0) AS attempt, sample, name, version, score, threshold,
  outcome, source, sampling_probability, labeler, explanation
FROM said_verdicts AS s
WHERE NOT unplaced;
CREATE OR REPLACE VIEW placed_labels AS
SELECT project, is_verdict, time, request_id, ifNull(s.attempt, 0) AS attempt, sample, name, version, score, threshold,
  outcome, source, sampling_probability, labeler, explanation
FROM said_labels AS s
WHERE NOT unplaced;
CREATE OR REPLACE VIEW no_evaluations AS SELECT * FROM placed_labels WHERE false;
CREATE OR REPLACE VIEW evaluations AS
SELECT * FROM placed_verdicts
UNION ALL
SELECT * FROM placed_labels
UNION ALL
SELECT * FROM lost_evaluations;
DROP VIEW IF EXISTS placed_evaluations;
