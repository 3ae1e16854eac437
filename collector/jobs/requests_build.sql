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
gathered AS (
  SELECT project, request_id, max(own_task) AS class,
    arraySort(c -> (c.time, c.span_id), groupArray(CAST((n.time, span_id, attempt, role = 'answer', role, tier, strategy, phase,
      effort, provider, model, billed_tier, environment, service_name,
      cityHash64(toString(provider), toString(model), billed_tier), budget_tokens, input_tokens, cache_read_tokens,
      cache_write_tokens, cache_write_1h_tokens, output_tokens, thinking_tokens, thinking_source, reported_cost_usd, billed,
      duration_ns, time_to_first_chunk_ms, time_to_first_answer_ms, error_type, sampling_probability, merged_spans,
      thinking_above_output, cache_above_input, inserted, reflection_ratio, user_id, session_id),
      'Tuple(time DateTime64(9, \'UTC\'), span_id String, attempt UInt32, answers UInt8, role String, tier Nullable(UInt8),
        strategy String, phase String, effort String, provider String, model String, service_tier String,
        environment String, service_name String, price_key UInt64, budget_tokens Nullable(Int64),
        input_tokens Nullable(Int64), cache_read_tokens Nullable(Int64), cache_write_tokens Nullable(Int64),
        cache_write_1h_tokens Nullable(Int64), output_tokens Nullable(Int64), thinking_tokens Nullable(Int64),
        thinking_source String, reported_cost_usd Nullable(Float64), billed UInt8, duration_ns UInt64,
        time_to_first_chunk_ms Nullable(Float64), time_to_first_answer_ms Nullable(Float64), error_type String,
        sampling_probability Nullable(Float64), merged_spans UInt32, thinking_above_output UInt8, cache_above_input UInt8,
        inserted DateTime64(6, \'UTC\'), reflection_ratio Nullable(Float64), user_id String, session_id String)'))) AS calls
  FROM {numbered:Identifier} AS n
  GROUP BY project, request_id
),
-- calls of each attempt together, in the order of their numbers, which is nearly always that of their begin
apart AS (
  SELECT project, request_id, class, calls,
    arraySplit((c, before) -> c.attempt != before, own, arrayPushFront(arrayPopBack(own.attempt), 0)) AS parts
  FROM (
    SELECT *, if(arraySort(calls.attempt) = calls.attempt, calls,
      arraySort((c, at) -> (c.attempt, at), calls, arrayEnumerate(calls))) AS own
    FROM gathered
  )
),
answered AS (
  -- where nothing answered, all calls tell when it was and whose
  SELECT *, arrayFilter(part -> arrayExists(c -> c.answers, part), parts) AS tries, if(empty(tries), parts, tries) AS telling
  FROM apart
),
whole AS (
  SELECT project, request_id, if(class = '', 'unknown', class) AS task, calls,
    arrayMap(x -> x[1], tries.attempt) AS numbers,
    arrayMap((x, a) -> arrayFirst((one, answers) -> answers AND one IS NOT NULL, x, a), tries.tier, tries.answers) AS tiers,
    arrayMap((x, a) -> arrayFirst((one, answers) -> answers, x, a), tries.strategy, tries.answers) AS strategies,
    arrayMap((x, a) -> arrayFirst((one, answers) -> answers, x, a), tries.effort, tries.answers) AS efforts,
    arrayMap((x, a) -> arrayLast((one, answers) -> answers, x, a), tries.provider, tries.answers) AS providers,
    arrayMap((x, a) -> arrayLast((one, answers) -> answers, x, a), tries.model, tries.answers) AS models,
    arrayMap(x -> x[1], tries.environment) AS environments, arrayMap(x -> x[1], tries.service_name) AS services,
    arrayMap(x -> x[1], tries.time) AS begun,
    arrayMap((t, d) -> arrayMax((one, lasted) -> one + toIntervalNanosecond(toInt64(lasted / 1e6 * 1e6)), t, d), telling.time,
      telling.duration_ns) AS ends,
    arrayMap(x -> length(x), tries.attempt) AS all_calls,
    arrayMap((a, b) -> arrayCount((answers, bills) -> answers AND bills, a, b), tries.answers, tries.billed) AS answer_calls,
    arrayMap(x -> arrayCount(one -> one != '', x), tries.error_type) AS failed_calls,
    arrayMap((x, a, b) -> if(arrayExists((one, answers, bills) -> answers AND bills AND one IS NULL, x, a, b), NULL,
        arraySum((one, answers) -> if(answers, ifNull(one, 0), 0), x, a)),
      tries.input_tokens, tries.answers, tries.billed) AS input_tokens,
    arrayMap((x, a, b) -> if(arrayExists((one, answers, bills) -> answers AND bills AND one IS NULL, x, a, b), NULL,
        arraySum((one, answers) -> if(answers, ifNull(one, 0), 0), x, a)),
      tries.output_tokens, tries.answers, tries.billed) AS output_tokens,
    arrayMap((x, a) -> arraySum((one, answers) -> if(answers, ifNull(one, 0), 0), x, a),
      tries.thinking_tokens, tries.answers) AS known_thinking_tokens,
    arrayMap((x, a, b) -> arrayCount((one, answers, bills) -> answers AND bills AND one IS NULL, x, a, b),
      tries.thinking_tokens, tries.answers, tries.billed) AS thinking_unknown_calls,
    arrayMin(arrayMap(x -> x[1], telling.time)) AS time, arrayMax(ends) AS end_time,
    arrayFirst(one -> one != '', arrayFlatten(telling.user_id)) AS user_id,
    arrayFirst(one -> one != '', arrayFlatten(telling.session_id)) AS session_id,
    ifNull(arrayMap(x -> x[1], tries.sampling_probability)[indexOf(begun, time)], 0) AS sampling
  FROM answered
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
w.calls AS made,
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
  if(arrayExists(x -> x IS NULL, w.input_tokens), NULL, arraySum(arrayMap(x -> assumeNotNull(x), w.input_tokens))),
  if(arrayExists(x -> x IS NULL, w.output_tokens), NULL, arraySum(arrayMap(x -> assumeNotNull(x), w.output_tokens))),
  arraySum(w.known_thinking_tokens), arraySum(w.thinking_unknown_calls),
  numbers, w.tiers, w.strategies, w.efforts, w.providers, w.models, w.environments, w.services, w.begun,
  if(empty(numbers), [], w.ends), w.all_calls,
  w.answer_calls, w.failed_calls, w.input_tokens, w.output_tokens, w.known_thinking_tokens, w.thinking_unknown_calls,
  verdicts, decisive.verifier, decisive.version, decisive.score,
  decisive.threshold, decisive.passed, labels.correct, labels.source, labels.time, drawn,
  made.time, made.attempt, made.answers, made.role, made.tier, made.strategy, made.phase, made.effort, made.provider,
  made.model, made.service_tier, made.environment, made.service_name, made.price_key, made.budget_tokens,
  made.input_tokens, made.cache_read_tokens, made.cache_write_tokens, made.cache_write_1h_tokens, made.output_tokens,
  made.thinking_tokens, made.thinking_source, made.reported_cost_usd, made.billed, made.duration_ns,
  made.time_to_first_chunk_ms, made.time_to_first_answer_ms, made.error_type, made.sampling_probability,
  made.merged_spans, made.thinking_above_output, made.cache_above_input, made.inserted, made.reflection_ratio, {version:DateTime64(6)}
FROM whole AS w
LEFT JOIN said AS e ON e.project = w.project AND e.request_id = w.request_id
-- Each row is a request of its own, so the store need not look for versions among them. Groups in two levels would come out
-- in 256 pieces, for each of which all expressions begin anew: that takes twice as long.
SETTINGS join_use_nulls = 0, optimize_on_insert = 0, group_by_two_level_threshold = 0, group_by_two_level_threshold_bytes = 0,
  max_threads = 1, max_block_size = 16384
