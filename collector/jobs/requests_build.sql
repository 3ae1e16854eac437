-- Rows of `request_facts` for the requests of one piece of a run; what they come to is as of the views `attempts` and
-- `calls`, which a test holds against each other. What stands in
-- braces by name is what needs to be found out of these.
INSERT INTO request_facts (project, request_id, task, time, end_time, first_call, last_call, user_id, session_id, weight,
  sampling_known, input_tokens, output_tokens, known_thinking_tokens, thinking_unknown_calls,
  attempts.attempt, attempts.tier, attempts.strategy, attempts.effort, attempts.provider, attempts.model,
  attempts.environment, attempts.service_name, attempts.time, attempts.end_time, attempts.calls, attempts.answer_calls,
  attempts.failed_calls, attempts.input_tokens, attempts.output_tokens, attempts.known_thinking_tokens,
  attempts.thinking_unknown_calls, attempts.verdicts, attempts.verifier, attempts.verifier_version, attempts.verdict_score,
  attempts.verdict_threshold, attempts.verdict_passed, attempts.correct, attempts.label_source, attempts.label_time,
  attempts.label_sampling_probability,
  calls.time, calls.attempt, calls.answers, calls.role, calls.tier, calls.strategy, calls.phase, calls.effort,
  calls.provider, calls.model, calls.service_tier, calls.environment, calls.service_name, calls.price_key,
  calls.budget_tokens, calls.input_tokens, calls.cache_read_tokens, calls.cache_write_tokens, calls.cache_write_1h_tokens,
  calls.output_tokens, calls.thinking_tokens, calls.thinking_source, calls.reported_cost_usd, calls.billed,
  calls.duration_ns, calls.time_to_first_chunk_ms, calls.time_to_first_answer_ms, calls.error_type,
  calls.sampling_probability, calls.merged_spans, calls.thinking_above_output, calls.cache_above_input, calls.inserted,
  calls.reflection_ratio, version)
WITH
  (SELECT groupArray((toString(task), verifier)) FROM policies) AS verifiers,
asked AS (SELECT * FROM changed_requests WHERE run = {run:UInt64} AND piece = {piece:UInt32}),
found AS (
  SELECT * FROM counted_calls AS c
  WHERE (c.project, toDate(c.time), c.request_id) IN (SELECT project, arrayJoin(call_days), request_id FROM asked)
),
-- as in the view `numbered_calls`, which cannot be asked for days, since it counts over whole requests
numbered AS (
  SELECT *,
    toUInt32(ifNull(stated_attempt, sum(tier_changed) OVER (PARTITION BY project, request_id ORDER BY time, span_id) + 1)) AS attempt
  FROM (
    SELECT *, role = 'answer' AND ifNull(tier != anyLast(tier) OVER (
      PARTITION BY project, request_id, role = 'answer' ORDER BY time, span_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS tier_changed
    FROM found
  )
),
-- the same where all say it: nothing has to be sorted
stated AS (SELECT *, toUInt32(assumeNotNull(stated_attempt)) AS attempt FROM found),
tried AS (
  SELECT project, request_id, attempt, max(own_task) AS class, countIf(role = 'answer') AS answers,
    argMinIf(tier, n.time, role = 'answer') AS first_tier,
    -- one by one: a tuple of what the first call says takes several times as long
    argMinIf(toString(strategy), n.time, role = 'answer') AS first_strategy,
    argMinIf(toString(effort), n.time, role = 'answer') AS first_effort,
    argMaxIf(toString(provider), n.time, role = 'answer') AS last_provider,
    argMaxIf(toString(model), n.time, role = 'answer') AS last_model,
    argMin(toString(environment), n.time) AS first_environment, argMin(toString(service_name), n.time) AS first_service,
    argMin(ifNull(sampling_probability, 0), n.time) AS first_probability,
    argMinIf(user_id, n.time, user_id != '') AS first_user, argMinIf(session_id, n.time, session_id != '') AS first_session,
    min(n.time) AS began, max(n.time + toIntervalNanosecond(toInt64(duration_ns / 1e6 * 1e6))) AS ended,
    CAST((attempt, first_tier, first_strategy, first_effort, last_provider, last_model, first_environment, first_service,
      began, ended, count(), countIf(role = 'answer' AND billed), countIf(error_type != ''),
      if(countIf(role = 'answer' AND billed AND input_tokens IS NULL) > 0, NULL, ifNull(sumIf(input_tokens, role = 'answer'), 0)),
      if(countIf(role = 'answer' AND billed AND output_tokens IS NULL) > 0, NULL, ifNull(sumIf(output_tokens, role = 'answer'), 0)),
      ifNull(sumIf(thinking_tokens, role = 'answer'), 0),
      countIf(role = 'answer' AND billed AND thinking_tokens IS NULL)),
      'Tuple(attempt UInt32, tier Nullable(UInt8), strategy String, effort String, provider String, model String,
        environment String, service_name String, time DateTime64(9, \'UTC\'), end_time DateTime64(9, \'UTC\'), calls UInt32,
        answer_calls UInt32, failed_calls UInt32, input_tokens Nullable(Int64), output_tokens Nullable(Int64),
        known_thinking_tokens Int64, thinking_unknown_calls UInt32)') AS told,
    groupArray(CAST((n.time, span_id, attempt, role = 'answer', role, tier, strategy, phase, effort, provider, model, billed_tier,
      environment, service_name, cityHash64(toString(provider), toString(model), billed_tier), budget_tokens, input_tokens,
      cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, thinking_tokens, thinking_source,
      reported_cost_usd, billed, duration_ns, time_to_first_chunk_ms, time_to_first_answer_ms, error_type,
      sampling_probability, merged_spans, thinking_above_output, cache_above_input, inserted,
      reflection_ratio),
      'Tuple(time DateTime64(9, \'UTC\'), span_id String, attempt UInt32, answers UInt8, role String, tier Nullable(UInt8),
        strategy String, phase String, effort String, provider String, model String, service_tier String,
        environment String, service_name String, price_key UInt64, budget_tokens Nullable(Int64),
        input_tokens Nullable(Int64), cache_read_tokens Nullable(Int64), cache_write_tokens Nullable(Int64),
        cache_write_1h_tokens Nullable(Int64), output_tokens Nullable(Int64), thinking_tokens Nullable(Int64),
        thinking_source String, reported_cost_usd Nullable(Float64), billed UInt8, duration_ns UInt64,
        time_to_first_chunk_ms Nullable(Float64), time_to_first_answer_ms Nullable(Float64), error_type String,
        sampling_probability Nullable(Float64), merged_spans UInt32, thinking_above_output UInt8, cache_above_input UInt8,
        inserted DateTime64(6, \'UTC\'), reflection_ratio Nullable(Float64))')) AS told_calls
  FROM {numbered:Identifier} AS n
  GROUP BY project, request_id, attempt
),
whole AS (
  SELECT project, request_id, if(max(class) = '', 'unknown', max(class)) AS task,
    arraySort(t -> t.attempt, groupArrayIf(told, answers > 0)) AS attempts,
    arraySort(c -> (c.time, c.span_id), groupArrayArray(told_calls)) AS calls,
    if(countIf(answers > 0) > 0, minIf(began, answers > 0), min(began)) AS time,
    if(countIf(answers > 0) > 0, maxIf(ended, answers > 0), max(ended)) AS end_time,
    if(countIf(answers > 0) > 0, argMinIf(first_user, attempt, answers > 0 AND first_user != ''),
      argMinIf(first_user, attempt, first_user != '')) AS user_id,
    if(countIf(answers > 0) > 0, argMinIf(first_session, attempt, answers > 0 AND first_session != ''),
      argMinIf(first_session, attempt, first_session != '')) AS session_id,
    argMinIf(first_probability, began, answers > 0) AS sampling
  FROM tried
  GROUP BY project, request_id
),
said AS (
  SELECT project, request_id,
    groupArrayIf(CAST((time, attempt, name, version, score, threshold, outcome),
      'Tuple(time DateTime64(9, \'UTC\'), attempt UInt32, verifier String, version String, score Nullable(Float64), threshold Nullable(Float64), passed Nullable(Bool))'),
      -- scores of one sample never judge an attempt
      is_verdict AND sample IS NULL) AS all_verdicts,
    groupArrayIf(CAST((time, transform(source, ['human', 'test', 'reference'], [3, 2, 1], 0), attempt, outcome, source, sampling_probability),
      'Tuple(time DateTime64(9, \'UTC\'), rank UInt8, attempt UInt32, correct Nullable(Bool), source String, sampling_probability Nullable(Float64))'),
      NOT is_verdict AND outcome IS NOT NULL) AS all_labels
  FROM (
    SELECT * FROM placed_verdicts AS v
    WHERE (v.project, toDate(v.time), v.request_id) IN (SELECT project, arrayJoin(verdict_days), request_id FROM asked)
    UNION ALL
    SELECT * FROM placed_labels AS l
    WHERE (l.project, toDate(l.time), l.request_id) IN (SELECT project, arrayJoin(label_days), request_id FROM asked)
    UNION ALL
    SELECT * FROM {lost} AS u WHERE (u.project, u.request_id) IN (SELECT project, request_id FROM asked)
  )
  GROUP BY project, request_id
),
w.attempts AS tries, w.calls AS made, tries.attempt AS numbers,
arrayMap(n -> arraySort(v -> v.time, arrayFilter(v -> v.attempt = n OR (v.attempt = 0 AND n = numbers[-1]), e.all_verdicts)), numbers) AS spoken,
-- the newest per verifier and version, in time order
arrayMap(mine -> arraySort(v -> v.time, arrayMap(k -> arrayLast(v -> (v.verifier, v.version) = k, mine),
  arrayDistinct(arrayMap(v -> (v.verifier, v.version), mine)))), spoken) AS verdicts,
if(arrayExists(p -> p.1 = w.task, verifiers), arrayFirst(p -> p.1 = w.task, verifiers).2,
  arrayFirst(p -> p.1 = 'default', verifiers).2) AS policy_verifier,
arrayMap(mine -> arrayLast(v -> policy_verifier = '' OR v.verifier = policy_verifier, mine), verdicts) AS decisive,
-- newest time, then human > test > reference
arrayMap(n -> arraySort(l -> (l.time, l.rank),
  arrayFilter(l -> l.attempt = n OR (l.attempt = 0 AND n = numbers[-1]), e.all_labels)), numbers) AS given,
arrayMap(mine -> arrayLast(l -> true, mine), given) AS labels,
-- how likely the attempt was drawn does not depend on who labels it after that: the newest that was told holds
arrayMap(mine -> arrayLast(l -> l.sampling_probability IS NOT NULL, mine).sampling_probability, given) AS drawn
SELECT w.project, w.request_id, w.task, w.time, w.end_time, made.time[1], made.time[-1], w.user_id, w.session_id,
  if(w.sampling > 0, 1 / w.sampling, 1), w.sampling > 0,
  if(arrayExists(x -> x IS NULL, tries.input_tokens), NULL, arraySum(arrayMap(x -> assumeNotNull(x), tries.input_tokens))),
  if(arrayExists(x -> x IS NULL, tries.output_tokens), NULL, arraySum(arrayMap(x -> assumeNotNull(x), tries.output_tokens))),
  arraySum(tries.known_thinking_tokens), arraySum(tries.thinking_unknown_calls),
  numbers, tries.tier, tries.strategy, tries.effort, tries.provider, tries.model, tries.environment, tries.service_name,
  tries.time, tries.end_time, tries.calls, tries.answer_calls, tries.failed_calls, tries.input_tokens, tries.output_tokens,
  tries.known_thinking_tokens, tries.thinking_unknown_calls, verdicts, decisive.verifier, decisive.version, decisive.score,
  decisive.threshold, decisive.passed, labels.correct, labels.source, labels.time, drawn,
  made.time, made.attempt, made.answers, made.role, made.tier, made.strategy, made.phase, made.effort, made.provider,
  made.model, made.service_tier, made.environment, made.service_name, made.price_key, made.budget_tokens,
  made.input_tokens, made.cache_read_tokens, made.cache_write_tokens, made.cache_write_1h_tokens, made.output_tokens,
  made.thinking_tokens, made.thinking_source, made.reported_cost_usd, made.billed, made.duration_ns,
  made.time_to_first_chunk_ms, made.time_to_first_answer_ms, made.error_type, made.sampling_probability,
  made.merged_spans, made.thinking_above_output, made.cache_above_input, made.inserted, made.reflection_ratio, {version:DateTime64(6)}
FROM whole AS w
LEFT JOIN said AS e ON e.project = w.project AND e.request_id = w.request_id
-- each row is a request of its own, so the store need not look for versions among them
SETTINGS join_use_nulls = 0, optimize_on_insert = 0
