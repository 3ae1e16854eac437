-- Attempts and requests, with the verdicts and labels that speak of them.

CREATE OR REPLACE VIEW policies AS
SELECT attribute AS task, value AS settings,
  JSONExtract(value, 'baseline_accuracy', 'Nullable(Float64)') AS baseline_accuracy,
  JSONExtractString(value, 'verifier') AS verifier,
  JSONExtract(value, 'min_requests', 'Nullable(UInt32)') AS min_requests,
  JSONExtract(value, 'min_labels', 'Nullable(UInt32)') AS min_labels,
  JSONExtract(value, 'escalation_target', 'Nullable(Float64)') AS escalation_target,
  JSONExtract(value, 'precision_target', 'Nullable(Float64)') AS precision_target,
  JSONExtract(value, 'p95_factor', 'Nullable(Float64)') AS p95_factor,
  JSONExtract(value, 'runaway_floor_tokens', 'Nullable(UInt64)') AS runaway_floor_tokens,
  JSONExtract(value, 'thinking_cap_tokens', 'Nullable(UInt64)') AS thinking_cap_tokens,
  JSONExtractString(value, 'parent') AS parent
FROM current_rules
WHERE kind = 'policy';

-- Verdicts and labels with the request and attempt they speak of; attempt 0 is the final one, whichever that is.
-- By request id and attempt, else by parent span, else by response id, else by trace. What names both itself is not
-- looked up, so that a question about few requests reads few rows.
CREATE OR REPLACE VIEW evaluations AS
WITH said AS (
  SELECT project, true AS is_verdict, time, request_id, attempt, sample, trace_id, span_id, response_id,
    toString(verifier) AS name, toString(version) AS version, score, threshold, passed AS outcome,
    '' AS source, CAST(NULL, 'Nullable(Float64)') AS sampling_probability, '' AS labeler, explanation,
    unplaced
  FROM verdicts FINAL
  UNION ALL
  SELECT project, false AS is_verdict, time, request_id, attempt, CAST(NULL, 'Nullable(UInt32)') AS sample, trace_id,
    span_id, response_id, '' AS name, '' AS version, CAST(NULL, 'Nullable(Float64)') AS score,
    CAST(NULL, 'Nullable(Float64)') AS threshold, correct AS outcome, toString(source) AS source, sampling_probability,
    labeler, explanation, unplaced
  FROM labels FINAL
),
lost AS (
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
SELECT project, is_verdict, time, request_id, ifNull(attempt, 0) AS attempt, sample, name, version, score, threshold,
  outcome, source, sampling_probability, labeler, explanation
FROM said
WHERE NOT unplaced
UNION ALL
SELECT e.project AS project, e.is_verdict AS is_verdict, e.time AS time,
  multiIf(e.request_id != '', e.request_id, s.request_id != '', s.request_id, r.request_id != '', r.request_id, e.trace_id)
    AS request_id,
  multiIf(e.attempt IS NOT NULL, e.attempt, s.request_id = request_id, s.attempt, r.request_id = request_id, r.attempt, 0)
    AS attempt,
  e.sample AS sample, e.name AS name, e.version AS version, e.score AS score, e.threshold AS threshold,
  e.outcome AS outcome, e.source AS source, e.sampling_probability AS sampling_probability, e.labeler AS labeler,
  e.explanation AS explanation
FROM (SELECT * FROM said WHERE unplaced) AS e
LEFT ANY JOIN judged_spans AS s
  ON s.project = e.project AND s.trace_id = e.trace_id AND s.span_id = e.span_id
LEFT ANY JOIN judged_responses AS r
  ON r.project = e.project AND r.response_id = e.response_id
SETTINGS join_use_nulls = 0;

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
arrayLast(l -> true, arraySort(l -> (l.time, l.rank),
  arrayFilter(l -> l.attempt = a.attempt OR (l.attempt = 0 AND is_final), e.all_labels))) AS label
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
  label.sampling_probability AS label_sampling_probability
FROM ranked AS a
LEFT JOIN evaluated AS e ON e.project = a.project AND e.request_id = a.request_id
SETTINGS join_use_nulls = 0;

CREATE OR REPLACE VIEW requests AS
WITH laddered AS (
  SELECT project, request_id, any(a.task) AS task, min(a.time) AS time, max(a.end_time) AS end_time,
    argMin(a.environment, a.attempt) AS environment, argMin(a.service_name, a.attempt) AS service_name,
    any(a.user_id) AS user_id, any(a.session_id) AS session_id,
    count() AS attempts, sum(a.calls) AS calls, sum(a.answer_calls) AS answer_calls, sum(a.failed_calls) AS failed_calls,
    arraySort(s -> s.attempt, groupArray(CAST((a.attempt, ifNull(a.tier, 0), a.thinking_tokens, a.verdict_passed,
      a.verifier, a.verifier_version, a.verdict_score, a.correct, a.label_sampling_probability, a.cost_usd,
      a.cost_unknown_calls),
      'Tuple(attempt UInt32, tier UInt8, thinking_tokens Nullable(Int64), verdict_passed Nullable(Bool), verifier String,
        version String, score Nullable(Float64), correct Nullable(Bool), label_sampling_probability Nullable(Float64),
        cost_usd Float64, cost_unknown_calls UInt64)'))) AS ladder,
    -- not in the ladder, so that they are read only where they are asked for
    argMax(a.strategy, a.attempt) AS final_strategy, argMax(a.effort, a.attempt) AS final_effort,
    argMax(a.provider, a.attempt) AS final_provider, argMax(a.model, a.attempt) AS final_model,
    argMax(a.label_source, a.attempt) AS label_source,
    if(countIf(a.input_tokens IS NULL) > 0, NULL, sum(a.input_tokens)) AS input_tokens,
    if(countIf(a.output_tokens IS NULL) > 0, NULL, sum(a.output_tokens)) AS output_tokens,
    sum(a.known_thinking_tokens) AS known_thinking_tokens, sum(a.thinking_unknown_calls) AS thinking_unknown_calls,
    sum(a.thinking_unpriced_calls) AS thinking_unpriced_calls, sum(a.cost_usd) AS cost_usd,
    sum(a.cost_input_usd) AS cost_input_usd, sum(a.cost_cache_usd) AS cost_cache_usd,
    sum(a.cost_thinking_usd) AS cost_thinking_usd, sum(a.cost_answer_usd) AS cost_answer_usd,
    sum(a.cost_unsplit_usd) AS cost_unsplit_usd, sum(a.cost_unknown_calls) AS cost_unknown_calls,
    sum(a.verifier_cost_usd) AS verifier_cost_usd,
    sum(a.unpriced_calls) AS unpriced_calls, sum(a.unpriced_tokens) AS unpriced_tokens,
    any(a.weight) AS weight, any(a.sampling_known) AS sampling_known
  FROM attempts AS a
  GROUP BY project, request_id
),
ladder[1] AS first, ladder[-1] AS final,
-- the last tier-1 attempt before the first higher one, where the first attempt is at tier 1
arrayFirstIndex(s -> s.tier > 1, ladder) AS first_higher,
if(first.tier = 1, arrayLastIndex((s, i) -> s.tier = 1 AND (first_higher = 0 OR i < first_higher),
  ladder, arrayEnumerate(ladder)), 0) AS gate_position,
ladder[gate_position] AS gate,
if(gate_position = 0, [], arraySlice(ladder, gate_position + 1)) AS climb
SELECT project, request_id, task, time, end_time, end_time + INTERVAL 5 MINUTE <= now64(9) AS settled,
  environment, service_name, user_id, session_id, attempts, calls, answer_calls, failed_calls,
  nullIf(first.tier, 0) AS first_tier, nullIf(final.tier, 0) AS final_tier, final.attempt AS final_attempt,
  first.tier > 0 AND arrayExists(s -> s.tier > first.tier, ladder) AS escalated,
  final_strategy, final_effort, final_provider, final_model, input_tokens, output_tokens,
  if(thinking_unknown_calls > 0, NULL, known_thinking_tokens) AS thinking_tokens, known_thinking_tokens,
  first.thinking_tokens AS first_thinking_tokens, final.thinking_tokens AS final_thinking_tokens,
  thinking_unknown_calls, thinking_unpriced_calls, cost_usd, cost_input_usd, cost_cache_usd, cost_thinking_usd,
  cost_answer_usd, cost_unsplit_usd, cost_unknown_calls, verifier_cost_usd, unpriced_calls, unpriced_tokens, weight, sampling_known,
  gate.verdict_passed AS gate_verdict_passed, gate.verifier AS gate_verifier, gate.version AS gate_version,
  gate.score AS gate_score, gate.correct AS gate_correct, gate.label_sampling_probability AS gate_label_probability,
  -- what the attempts after the gate cost
  arraySum(s -> s.cost_usd, climb) AS escalation_cost_usd,
  arraySum(s -> s.cost_unknown_calls, climb) AS escalation_cost_unknown_calls,
  final.verdict_passed AS verdict_passed, final.correct AS correct, first.correct AS first_correct,
  first.label_sampling_probability AS first_label_probability, label_source,
  final.label_sampling_probability AS label_sampling_probability
FROM laddered
SETTINGS join_use_nulls = 0;
