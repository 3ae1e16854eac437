-- `attempts` as in 0003, but a label that tells no probability leaves that of the draw.
CREATE OR REPLACE VIEW attempts AS
WITH
  (SELECT groupArray((toString(task), verifier)) FROM policies) AS verifiers,
summed AS (
  SELECT project, request_id, attempt, any(task) AS request_task,
    argMinIf(tier, time, role = 'answer') AS tier, argMinIf(toString(strategy), time, role = 'answer') AS strategy,
    argMinIf(toString(effort), time, role = 'answer') AS effort,
    argMaxIf(toString(provider), time, role = 'answer') AS provider,
    argMaxIf(toString(model), time, role = 'answer') AS model, argMin(toString(environment), time) AS environment,
    argMin(toString(service_name), c.time) AS service_name,
    argMinIf(user_id, c.time, user_id != '') AS user_id, argMinIf(session_id, c.time, session_id != '') AS session_id,
    min(c.time) AS first_time,
    max(c.time + toIntervalNanosecond(toInt64(duration_ms * 1e6))) AS end_time,
    count() AS calls, countIf(role = 'answer' AND billed) AS answer_calls, countIf(role = 'answer') AS answers,
    countIf(error_type != '') AS failed_calls,
    if(countIf(role = 'answer' AND billed AND c.input_tokens IS NULL) > 0, NULL, ifNull(sumIf(c.input_tokens, role = 'answer'), 0)) AS input_tokens,
    if(countIf(role = 'answer' AND billed AND c.output_tokens IS NULL) > 0, NULL, ifNull(sumIf(c.output_tokens, role = 'answer'), 0)) AS output_tokens,
    countIf(role = 'answer' AND billed AND c.thinking_tokens IS NULL) AS thinking_unknown_calls,
    ifNull(sumIf(c.thinking_tokens, role = 'answer'), 0) AS known_thinking_tokens,
    countIf(role = 'answer' AND c.thinking_tokens > 0 AND c.cost_thinking_usd IS NULL) AS thinking_unpriced_calls,
    ifNull(sumIf(c.cost_usd, role = 'answer'), 0) AS known_cost_usd,
    ifNull(sumIf(c.cost_input_usd, role = 'answer'), 0) AS cost_input_usd,
    ifNull(sumIf(c.cost_cache_usd, role = 'answer'), 0) AS cost_cache_usd,
    ifNull(sumIf(c.cost_thinking_usd, role = 'answer'), 0) AS cost_thinking_usd,
    ifNull(sumIf(c.cost_answer_usd, role = 'answer'), 0) AS cost_answer_usd,
    -- what a known cost has no buckets for: output whose thinking is unknown, an amount without rates
    ifNull(sumIf(c.cost_usd - ifNull(c.cost_input_usd, 0) - ifNull(c.cost_cache_usd, 0),
      role = 'answer' AND c.cost_answer_usd IS NULL), 0) AS cost_unsplit_usd,
    countIf(role = 'answer' AND billed AND c.cost_usd IS NULL) AS cost_unknown_calls,
    ifNull(sumIf(c.cost_usd, role != 'answer'), 0) AS verifier_cost_usd,
    countIf(billed AND cost_source = 'unpriced') AS unpriced_calls,
    ifNull(sumIf(ifNull(c.input_tokens, 0) + ifNull(c.output_tokens, 0), billed AND cost_source = 'unpriced'), 0) AS unpriced_tokens,
    argMin(tuple(c.sampling_probability), c.time).1 AS first_sampling_probability
  FROM calls AS c
  GROUP BY project, request_id, attempt
  HAVING answers > 0
),
ranked AS (
  SELECT *, max(attempt) OVER whole AS final_attempt, min(first_time) OVER whole AS request_time,
    max(end_time) OVER whole AS request_end_time,
    argMinIf(user_id, attempt, user_id != '') OVER whole AS request_user_id,
    argMinIf(session_id, attempt, session_id != '') OVER whole AS request_session_id,
    argMin(tuple(first_sampling_probability), first_time) OVER whole AS request_sampling
  FROM summed
  WINDOW whole AS (PARTITION BY project, request_id)
),
evaluated AS (
  SELECT project, request_id,
    groupArrayIf(CAST((time, attempt, name, version, score, threshold, outcome),
      'Tuple(time DateTime64(9, \'UTC\'), attempt UInt32, verifier String, version String, score Nullable(Float64), threshold Nullable(Float64), passed Nullable(Bool))'),
      -- scores of one sample never judge an attempt
      is_verdict AND sample IS NULL) AS all_verdicts,
    groupArrayIf(CAST((time, transform(source, ['human', 'test', 'reference'], [3, 2, 1], 0), attempt, outcome, source, sampling_probability),
      'Tuple(time DateTime64(9, \'UTC\'), rank UInt8, attempt UInt32, correct Nullable(Bool), source String, sampling_probability Nullable(Float64))'),
      NOT is_verdict AND outcome IS NOT NULL) AS all_labels
  FROM evaluations
  GROUP BY project, request_id
),
arraySort(v -> v.time, arrayFilter(v -> v.attempt = a.attempt OR (v.attempt = 0 AND is_final), e.all_verdicts)) AS mine,
if(arrayExists(p -> p.1 = a.request_task, verifiers), arrayFirst(p -> p.1 = a.request_task, verifiers).2,
  arrayFirst(p -> p.1 = 'default', verifiers).2) AS policy_verifier,
arrayLast(v -> policy_verifier = '' OR v.verifier = policy_verifier, verdicts) AS decisive,
-- newest time, then human > test > reference
arraySort(l -> (l.time, l.rank), arrayFilter(l -> l.attempt = a.attempt OR (l.attempt = 0 AND is_final), e.all_labels)) AS given,
arrayLast(l -> true, given) AS label
SELECT
  a.project AS project, a.request_id AS request_id, a.attempt AS attempt, a.request_task AS task, a.tier AS tier,
  a.strategy AS strategy, a.effort AS effort, a.provider AS provider, a.model AS model, a.environment AS environment,
  a.service_name AS service_name,
  -- a request has one user and one session: the first that is said
  a.request_user_id AS user_id, a.request_session_id AS session_id, a.first_time AS time, a.end_time AS end_time,
  a.request_time AS request_time, a.request_end_time + INTERVAL 5 MINUTE <= now64(9) AS settled,
  a.calls AS calls, a.answer_calls AS answer_calls, a.failed_calls AS failed_calls,
  a.input_tokens AS input_tokens, a.output_tokens AS output_tokens,
  if(a.thinking_unknown_calls > 0, NULL, a.known_thinking_tokens) AS thinking_tokens,
  a.known_thinking_tokens AS known_thinking_tokens, a.thinking_unknown_calls AS thinking_unknown_calls,
  a.thinking_unpriced_calls AS thinking_unpriced_calls, a.known_cost_usd AS cost_usd,
  a.cost_input_usd AS cost_input_usd, a.cost_cache_usd AS cost_cache_usd, a.cost_thinking_usd AS cost_thinking_usd,
  a.cost_answer_usd AS cost_answer_usd, a.cost_unsplit_usd AS cost_unsplit_usd, a.cost_unknown_calls AS cost_unknown_calls,
  a.verifier_cost_usd AS verifier_cost_usd, a.unpriced_calls AS unpriced_calls, a.unpriced_tokens AS unpriced_tokens,
  -- of the request: 1 / probability that the trace of its first call was kept
  assumeNotNull(if(a.request_sampling.1 > 0, 1 / a.request_sampling.1, 1)) AS weight,
  ifNull(a.request_sampling.1 > 0, false) AS sampling_known,
  a.attempt = a.final_attempt AS is_final,
  -- the newest per verifier and version, in time order
  arraySort(v -> v.time, arrayMap(k -> arrayLast(v -> (v.verifier, v.version) = k, mine),
    arrayDistinct(arrayMap(v -> (v.verifier, v.version), mine)))) AS verdicts,
  decisive.verifier AS verifier, decisive.version AS verifier_version, decisive.score AS verdict_score,
  decisive.threshold AS verdict_threshold, decisive.passed AS verdict_passed,
  label.correct AS correct, label.source AS label_source, label.time AS label_time,
  -- how likely the attempt was drawn does not depend on who labels it after that: the newest that was told holds
  arrayLast(l -> l.sampling_probability IS NOT NULL, given).sampling_probability AS label_sampling_probability
FROM ranked AS a
LEFT JOIN evaluated AS e ON e.project = a.project AND e.request_id = a.request_id
SETTINGS join_use_nulls = 0;

-- Verdicts and labels that do not name their request and attempt are looked for by what the requests at hand have.
ALTER TABLE verdicts ADD INDEX IF NOT EXISTS trace_ids trace_id TYPE bloom_filter(0.01) GRANULARITY 1,
  ADD INDEX IF NOT EXISTS response_ids response_id TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE labels ADD INDEX IF NOT EXISTS trace_ids trace_id TYPE bloom_filter(0.01) GRANULARITY 1,
  ADD INDEX IF NOT EXISTS response_ids response_id TYPE bloom_filter(0.01) GRANULARITY 1;
-- Those that may belong to the requests of a piece of a run, by where they lie.
CREATE TABLE IF NOT EXISTS near_evaluations (
  run UInt64,
  piece UInt32,
  started DateTime('UTC') DEFAULT now(),
  project LowCardinality(String),
  day Date,
  request_id String CODEC(ZSTD),
  trace_id String CODEC(ZSTD),
  span_id String CODEC(ZSTD),
  response_id String CODEC(ZSTD)
)
ENGINE = MergeTree
ORDER BY (run, piece)
TTL started + INTERVAL 1 DAY;

-- The job makes all requests anew, and all cells with them.
TRUNCATE TABLE request_progress;
TRUNCATE TABLE rollup_stretches;
