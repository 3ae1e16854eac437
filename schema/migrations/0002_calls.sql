-- What was billed: one row per call, repeats and wrappers out, context resolved, priced at its own date.
-- Which spans are one call is settled trace by trace, from all spans of the trace, by a job that a second later has
-- seen what arrived: `call_facts` is rebuilt for every trace that was touched, never added to. Everything that
-- depends on rules, verdicts, labels and prices is a view over it, so those correct history by themselves.

CREATE OR REPLACE VIEW current_rules AS
SELECT kind, position, attribute, pattern, value
FROM rules
WHERE (kind, revision) IN (SELECT kind, max(revision) FROM rules GROUP BY kind)
  -- a row of nothing records that a kind has no rules any more
  AND (attribute, pattern, value) != ('', '', '');

-- How far a job has come, in time of insertion; the newest row of a job holds.
CREATE TABLE IF NOT EXISTS watermarks (
  job LowCardinality(String),
  recorded DateTime64(6, 'UTC') DEFAULT now64(6),
  settled_until DateTime64(6, 'UTC'),
  rows UInt64,
  duration_ms Float64
)
ENGINE = MergeTree
ORDER BY (job, recorded)
TTL toDateTime(recorded) + INTERVAL 7 DAY;

-- What a run of the settling job works on: traces with spans that are not settled yet, and every trace that shares a
-- response with one of them, directly or through others, since which span is the call is decided among all of them.
CREATE TABLE IF NOT EXISTS settling_traces (
  run UInt64,
  started DateTime('UTC') DEFAULT now(),
  project LowCardinality(String),
  trace_id String CODEC(ZSTD)
)
ENGINE = MergeTree
ORDER BY (run, project, trace_id)
TTL started + INTERVAL 1 HOUR;

CREATE OR REPLACE VIEW fresh_traces AS
SELECT project, trace_id FROM settling_traces WHERE run = (SELECT max(run) FROM settling_traces);

-- Nearest ancestors of inference spans: the context they hand down, and the nearest inference among them.
-- Walked only where it can matter: context missing, or a trace in which two instrumentations saw inferences.
CREATE OR REPLACE VIEW span_lineage AS
WITH RECURSIVE lineage AS (
  SELECT project, trace_id, span_id, parent_span_id AS next, toInt32(0) AS depth,
    request_id, task, tier, attempt, strategy, sample, role, phase, user_id, session_id, '' AS ancestor, [span_id] AS path
  FROM spans FINAL
  WHERE span_class = 'inference' AND parent_span_id != ''
    AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
    AND (request_id = '' OR task = '' OR tier IS NULL OR attempt IS NULL
      OR (project, trace_id) IN (
        SELECT project, trace_id FROM spans WHERE span_class = 'inference'
          AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
        GROUP BY project, trace_id HAVING uniqExact(scope_name) > 1))
  UNION ALL
  SELECT l.project, l.trace_id, l.span_id, s.parent_span_id AS next, toInt32(l.depth + 1) AS depth,
    if(l.request_id != '', l.request_id, s.request_id) AS request_id,
    if(l.task != '', l.task, s.task) AS task,
    coalesce(l.tier, s.tier) AS tier,
    coalesce(l.attempt, s.attempt) AS attempt,
    if(l.strategy != '', l.strategy, s.strategy) AS strategy,
    coalesce(l.sample, s.sample) AS sample,
    if(l.role != '', l.role, s.role) AS role,
    if(l.phase != '', l.phase, s.phase) AS phase,
    if(l.user_id != '', l.user_id, s.user_id) AS user_id,
    if(l.session_id != '', l.session_id, s.session_id) AS session_id,
    if(l.ancestor != '', l.ancestor, if(s.span_class = 'inference', s.span_id, '')) AS ancestor,
    arrayPushBack(l.path, s.span_id) AS path
  FROM lineage AS l
  INNER JOIN (
    SELECT project, trace_id, span_id, parent_span_id, span_class, request_id, task, tier, attempt, strategy, sample, role,
      phase, user_id, session_id
    FROM spans FINAL WHERE (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
  ) AS s
    ON s.project = l.project AND s.trace_id = l.trace_id AND s.span_id = l.next
  -- a broken instrumentation may have made a cycle
  WHERE l.next != '' AND NOT has(l.path, s.span_id)
)
SELECT project, trace_id, span_id,
  argMax(request_id, depth) AS request_id, argMax(task, depth) AS task,
  argMax(tier, depth) AS tier, argMax(attempt, depth) AS attempt,
  argMax(strategy, depth) AS strategy, argMax(sample, depth) AS sample, argMax(role, depth) AS role,
  argMax(phase, depth) AS phase, argMax(user_id, depth) AS user_id, argMax(session_id, depth) AS session_id,
  argMax(ancestor, depth) AS ancestor
FROM lineage
GROUP BY project, trace_id, span_id;

-- Which spans are one call, which of them stays, and what the others add to it (METRICS, Exactly once, 2).
-- One row per call. Spans with -1 for unknown counts on the way, since aggregates skip nulls.
CREATE OR REPLACE VIEW call_identities AS
WITH
-- (b) by ancestry: each span speaks for itself and to its nearest inference ancestor
families AS (
  SELECT project, trace_id, family,
    anyIf(told, is_own) AS head,
    groupArrayIf(told, NOT is_own) AS relatives,
    arrayFilter(d -> d.scope_name != head.scope_name AND head.span_id != '', relatives) AS descendants,
    head.input_tokens < 0 AND head.output_tokens < 0 AS head_silent,
    arrayFilter(d -> d.input_tokens >= 0 OR d.output_tokens >= 0, descendants) AS speaking,
    -- a wrapper says what its nearest inference descendants say in sum, or nothing; the deepest with usage stays
    notEmpty(descendants) AND if(empty(speaking), head_silent, head_silent
      OR (greatest(head.input_tokens, 0) = arraySum(d -> greatest(d.input_tokens, 0), descendants)
        AND greatest(head.output_tokens, 0) = arraySum(d -> greatest(d.output_tokens, 0), descendants))) AS is_wrapper,
    -- an echo says nothing where its ancestor does
    empty(speaking) AND NOT head_silent AS has_echoes
  FROM (
    SELECT s.project AS project, s.trace_id AS trace_id, arrayJoin(
        arrayFilter(f -> f.2 != '', [(true, s.span_id), (false, l.ancestor)])) AS speaks_to,
      speaks_to.1 AS is_own, speaks_to.2 AS family,
      CAST((s.span_id, toString(s.scope_name), ifNull(s.input_tokens, -1), ifNull(s.output_tokens, -1)),
        'Tuple(span_id String, scope_name String, input_tokens Int64, output_tokens Int64)') AS told
    FROM (
      SELECT project, trace_id, span_id, scope_name, input_tokens, output_tokens FROM spans FINAL
      WHERE span_class = 'inference' AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
    ) AS s
    LEFT JOIN (SELECT project, trace_id, span_id, ancestor FROM span_lineage WHERE ancestor != '') AS l
      ON l.project = s.project AND l.trace_id = s.trace_id AND l.span_id = s.span_id
  )
  GROUP BY project, trace_id, family
),
-- one row a span: '' for home where it stays, where several descendants share what it says ('-') or whose it is
nested AS (
  SELECT project, trace_id, said.1 AS span_id, max(said.2) AS home
  FROM (
    SELECT project, trace_id, arrayJoin(arrayConcat(
      if(head.span_id = '', [], [(head.span_id, multiIf(NOT is_wrapper, '', length(descendants) = 1, descendants[1].span_id, '-'))]),
      if(has_echoes, arrayMap(d -> (d.span_id, head.span_id), descendants), []))) AS said
    FROM families
  )
  GROUP BY project, trace_id, span_id
),
-- (a) by response: project, provider, response id, model and usage agree within 24 h, scopes differ. The n-th
-- of one scope is the n-th of the other, so a response id that repeats within a scope stays several calls.
told AS (
  SELECT s.*, n.home AS nested_home,
    if(s.response_model != '', toString(s.response_model), toString(s.request_model)) AS model,
    if(n.home != '' OR s.response_id = '', concat('span ', s.trace_id, s.span_id), s.response_id) AS response,
    row_number() OVER (PARTITION BY s.project, s.provider, response, model, s.input_tokens, s.output_tokens, s.scope_name
      ORDER BY s.time, s.span_id) AS ordinal
  FROM (
    SELECT project, trace_id, span_id, time, scope_name, provider, request_model, response_model, response_id,
      service_tier, effort, budget_tokens, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens,
      output_tokens, thinking_tokens, thinking_source, reported_cost_usd, time_to_first_chunk_ms,
      time_to_first_answer_ms, finish_reason
    FROM spans FINAL
    WHERE span_class = 'inference' AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
  ) AS s
  INNER JOIN nested AS n ON n.project = s.project AND n.trace_id = s.trace_id AND n.span_id = s.span_id
),
dated AS (
  SELECT *, intDiv(dateDiff('second', min(time) OVER (
    PARTITION BY project, provider, response, model, input_tokens, output_tokens, ordinal), time), 86400) AS day,
    -- the request, the tier and whatever else our own spans say of it lie in their trace
    max(scope_name = 'thinkmeter') OVER (PARTITION BY project, trace_id) AS in_our_trace
  FROM told
),
homed AS (
  SELECT *,
    first_value((trace_id, span_id)) OVER (
      PARTITION BY project, provider, response, model, input_tokens, output_tokens, ordinal, day
      ORDER BY scope_name = 'thinkmeter' DESC, in_our_trace DESC, thinking_tokens IS NOT NULL DESC, time, span_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS first
  FROM dated
),
resolved AS (
  SELECT *,
    -- a wrapper goes where the span goes that it wraps
    if(nested_home = '', first, max(if(nested_home = '', first, ('', ''))) OVER (
      PARTITION BY project, trace_id, if(nested_home = '', span_id, nested_home))) AS home,
    (trace_id, span_id) = home AS is_home,
    -- a count above the output is none; provider > derived > estimated, the call's own where they are equals
    if(thinking_tokens < 0 OR thinking_tokens > output_tokens, NULL, thinking_tokens) AS thinking,
    multiIf(thinking_source IN ('derived'), 4, thinking_source IN ('estimated'), 2, 6) + is_home AS thinking_rank
  FROM homed
)
SELECT h.project AS project, h.home.1 AS trace_id, h.home.2 AS span_id, count() AS merged_spans,
  -- argMax skips nulls: the call's own value, else another's
  argMax(h.input_tokens, h.is_home) AS input_tokens, argMax(h.output_tokens, h.is_home) AS output_tokens,
  argMax(h.cache_read_tokens, h.is_home) AS cache_read_tokens, argMax(h.cache_write_tokens, h.is_home) AS cache_write_tokens,
  argMax(h.cache_write_1h_tokens, h.is_home) AS cache_write_1h_tokens, argMax(h.budget_tokens, h.is_home) AS budget_tokens,
  argMax(h.thinking, h.thinking_rank) AS thinking_tokens,
  argMaxIf(toString(h.thinking_source), h.thinking_rank, h.thinking IS NOT NULL) AS thinking_source,
  argMax(h.reported_cost_usd, h.is_home) AS reported_cost_usd,
  argMax(h.time_to_first_chunk_ms, h.is_home) AS time_to_first_chunk_ms,
  argMax(h.time_to_first_answer_ms, h.is_home) AS time_to_first_answer_ms,
  argMaxIf(toString(h.service_tier), h.is_home, h.service_tier != '') AS service_tier,
  argMaxIf(toString(h.effort), h.is_home, h.effort != '') AS effort,
  argMaxIf(toString(h.finish_reason), h.is_home, h.finish_reason != '') AS finish_reason,
  argMaxIf(h.response_id, h.is_home, h.response_id != '') AS response_id,
  countIf(h.thinking_tokens > h.output_tokens) > 0 AS thinking_above_output,
  countIf(ifNull(h.cache_read_tokens, 0) + ifNull(h.cache_write_tokens, 0) > h.input_tokens) > 0 AS cache_above_input
FROM resolved AS h
GROUP BY h.project, h.home
-- what a repeat says of a span that is itself a repeat makes no call
HAVING countIf(h.is_home) > 0
SETTINGS join_use_nulls = 0;

-- Calls of fresh traces with their context: own attribute, nearest ancestor's, the only request of the trace.
CREATE OR REPLACE VIEW fresh_calls AS
SELECT
  s.project AS project,
  multiIf(s.request_id != '', s.request_id, l.request_id != '', l.request_id,
    length(t.request_ids) = 1, t.request_ids[1], s.trace_id) AS request_id,
  s.time AS time, s.trace_id AS trace_id, s.span_id AS span_id, s.name AS name,
  if(s.task != '', s.task, l.task) AS stated_task, coalesce(s.tier, l.tier) AS stated_tier,
  coalesce(s.attempt, l.attempt) AS stated_attempt, if(s.strategy != '', s.strategy, l.strategy) AS strategy,
  coalesce(s.sample, l.sample) AS sample, if(s.role != '', s.role, l.role) AS stated_role,
  s.provider AS provider, s.request_model AS request_model,
  if(s.response_model != '', s.response_model, s.request_model) AS model, s.operation AS operation,
  s.environment AS environment, s.service_name AS service_name, if(s.phase != '', s.phase, l.phase) AS phase,
  CAST(i.service_tier, 'LowCardinality(String)') AS service_tier, CAST(i.effort, 'LowCardinality(String)') AS effort,
  i.budget_tokens AS budget_tokens, i.input_tokens AS input_tokens, i.cache_read_tokens AS cache_read_tokens,
  i.cache_write_tokens AS cache_write_tokens, i.cache_write_1h_tokens AS cache_write_1h_tokens,
  if(s.operation = 'embeddings', coalesce(i.output_tokens, 0), i.output_tokens) AS output_tokens,
  if(s.operation = 'embeddings', coalesce(i.thinking_tokens, 0), i.thinking_tokens) AS told_thinking_tokens,
  CAST(i.thinking_source, 'LowCardinality(String)') AS told_thinking_source,
  i.thinking_above_output AS thinking_above_output, i.cache_above_input AS cache_above_input,
  s.duration_ns AS duration_ns, i.time_to_first_chunk_ms AS time_to_first_chunk_ms,
  i.time_to_first_answer_ms AS time_to_first_answer_ms, CAST(i.finish_reason, 'LowCardinality(String)') AS finish_reason,
  s.error_type AS error_type, if(s.user_id != '', s.user_id, l.user_id) AS user_id,
  if(s.session_id != '', s.session_id, l.session_id) AS session_id, s.sampling_probability AS sampling_probability,
  i.response_id AS response_id, s.dialect AS dialect, s.resource_attributes AS resource_attributes,
  s.attributes AS attributes, i.reported_cost_usd AS reported_cost_usd, i.merged_spans AS merged_spans,
  s.inserted AS inserted
FROM call_identities AS i
INNER JOIN (
  SELECT * FROM spans FINAL
  WHERE span_class = 'inference' AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
) AS s ON s.project = i.project AND s.trace_id = i.trace_id AND s.span_id = i.span_id
LEFT JOIN span_lineage AS l ON l.project = s.project AND l.trace_id = s.trace_id AND l.span_id = s.span_id
LEFT JOIN (
  SELECT project, trace_id, groupUniqArray(2)(request_id) AS request_ids FROM spans
  WHERE request_id != '' AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
  GROUP BY project, trace_id
) AS t ON t.project = s.project AND t.trace_id = s.trace_id
SETTINGS join_use_nulls = 0;

-- The same, settled: rows of a trace are replaced whole, what is no call any more is marked as deleted.
CREATE TABLE IF NOT EXISTS call_facts (
  project LowCardinality(String),
  request_id String CODEC(ZSTD),
  time DateTime64(9, 'UTC') CODEC(Delta, ZSTD),
  trace_id String CODEC(ZSTD),
  span_id String CODEC(ZSTD),
  name String CODEC(ZSTD),
  stated_task LowCardinality(String),
  stated_tier Nullable(UInt8),
  stated_attempt Nullable(UInt32),
  strategy LowCardinality(String),
  sample Nullable(UInt32),
  stated_role LowCardinality(String),
  provider LowCardinality(String),
  request_model LowCardinality(String),
  model LowCardinality(String),
  operation LowCardinality(String),
  environment LowCardinality(String),
  service_name LowCardinality(String),
  phase LowCardinality(String),
  service_tier LowCardinality(String),
  effort LowCardinality(String),
  budget_tokens Nullable(Int64) CODEC(T64, ZSTD),
  input_tokens Nullable(Int64) CODEC(T64, ZSTD),
  cache_read_tokens Nullable(Int64) CODEC(T64, ZSTD),
  cache_write_tokens Nullable(Int64) CODEC(T64, ZSTD),
  cache_write_1h_tokens Nullable(Int64) CODEC(T64, ZSTD),
  output_tokens Nullable(Int64) CODEC(T64, ZSTD),
  told_thinking_tokens Nullable(Int64) CODEC(T64, ZSTD),
  told_thinking_source LowCardinality(String),
  thinking_above_output UInt8,
  cache_above_input UInt8,
  duration_ns UInt64 CODEC(T64, ZSTD),
  time_to_first_chunk_ms Nullable(Float64) CODEC(ZSTD),
  time_to_first_answer_ms Nullable(Float64) CODEC(ZSTD),
  finish_reason LowCardinality(String),
  error_type LowCardinality(String),
  user_id String CODEC(ZSTD),
  session_id String CODEC(ZSTD),
  sampling_probability Nullable(Float64) CODEC(ZSTD),
  response_id String CODEC(ZSTD),
  dialect LowCardinality(String),
  resource_attributes Map(LowCardinality(String), String) CODEC(ZSTD),
  attributes Map(LowCardinality(String), String) CODEC(ZSTD),
  reported_cost_usd Nullable(Float64) CODEC(ZSTD),
  merged_spans UInt64 CODEC(T64, ZSTD),
  inserted DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
  version DateTime64(6, 'UTC') DEFAULT now64(6),
  is_deleted UInt8 DEFAULT 0,

  INDEX time_range time TYPE minmax GRANULARITY 1,
  INDEX trace_ids trace_id TYPE bloom_filter(0.01) GRANULARITY 4,
  INDEX response_ids response_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMM(time)
ORDER BY (project, request_id, time, trace_id, span_id);

-- With the rules of the configuration, which hold for all of history.
CREATE OR REPLACE VIEW counted_calls AS
WITH
  (SELECT groupArray((pattern, toUInt8OrZero(value))) FROM (SELECT * FROM current_rules WHERE kind = 'tier' ORDER BY position)) AS tier_rules,
  (SELECT groupArray((pattern, value)) FROM (SELECT * FROM current_rules WHERE kind = 'task' ORDER BY position)) AS task_rules,
  (SELECT count() = 0 FROM current_rules WHERE kind = 'task') AS no_task_rules,
  (SELECT groupArray(pattern) FROM current_rules WHERE kind = 'never_thinks') AS never_thinks
SELECT
  c.*,
  -- without rules the attributes are not even read
  if(no_task_rules, CAST(stated_task, 'String'), if(stated_task != '', toString(stated_task),
    arrayFirst(rule -> arrayAll(
      (attribute, wanted) -> match(multiIf(
        attribute = 'gen_ai.request.model', toString(request_model), attribute = 'gen_ai.response.model', toString(model),
        attribute = 'gen_ai.provider.name', toString(provider), attribute = 'gen_ai.operation.name', toString(operation),
        attribute = 'service.name', toString(service_name),
        attribute = 'deployment.environment.name', toString(environment), attribute = 'span.name', name,
        attribute = 'user.id', user_id, attribute = 'session.id', session_id,
        mapContains(attributes, attribute), attributes[attribute], resource_attributes[attribute]), wanted),
      mapKeys(JSONExtract(rule.1, 'Map(String, String)')), mapValues(JSONExtract(rule.1, 'Map(String, String)'))),
      task_rules).2)) AS own_task,
  coalesce(stated_tier, nullIf(arrayFirst(
    rule -> match(toString(model), rule.1) OR match(toString(request_model), rule.1), tier_rules).2, 0)) AS tier,
  if(stated_role = '', 'answer', toString(stated_role)) AS role,
  -- spellings of the ordinary tier; what is left is billed at rates of its own
  if(lower(service_tier) IN ('', 'default', 'auto', 'standard', 'standard_only', 'on_demand'), 'standard',
    lower(service_tier)) AS billed_tier,
  multiIf(told_thinking_tokens IS NOT NULL, told_thinking_tokens, thinking_above_output, NULL,
    arrayExists(p -> match(toString(model), p), never_thinks), 0, NULL) AS thinking_tokens,
  multiIf(thinking_tokens IS NULL, 'missing', told_thinking_tokens IS NULL OR operation = 'embeddings', 'derived',
    told_thinking_source IN ('', 'missing'), 'provider', toString(told_thinking_source)) AS thinking_source,
  -- rejected before anything was generated: no response, no usage, so nothing billed and nothing unknown
  NOT (error_type != '' AND response_id = '' AND input_tokens IS NULL AND output_tokens IS NULL) AS billed
FROM call_facts AS c FINAL;

-- The newest price book of each key: rows that were recorded together.
CREATE OR REPLACE VIEW price_books AS
SELECT provider, model, service_tier,
  arraySort(rate -> (rate.above_input_tokens, rate.valid_from, rate.daily_until_s - rate.daily_from_s < 86400),
    groupArray(CAST((valid_from, valid_until, daily_from_s, daily_until_s, above_input_tokens, input_per_mtok_usd,
      cache_read_per_mtok_usd, cache_write_per_mtok_usd, cache_write_1h_per_mtok_usd, thinking_per_mtok_usd,
      answer_per_mtok_usd),
      'Tuple(valid_from DateTime64(3, \'UTC\'), valid_until DateTime64(3, \'UTC\'), daily_from_s UInt32,
        daily_until_s UInt32, above_input_tokens Int64, input Nullable(Float64), cache_read Nullable(Float64),
        cache_write Nullable(Float64), cache_write_1h Nullable(Float64), thinking Nullable(Float64),
        answer Nullable(Float64))'))) AS rates
FROM prices
WHERE (provider, model, service_tier, recorded) IN (
  SELECT provider, model, service_tier, max(recorded) FROM prices GROUP BY provider, model, service_tier)
GROUP BY provider, model, service_tier;

-- Attempt and task resolved over the whole request.
CREATE OR REPLACE VIEW numbered_calls AS
SELECT *,
  toUInt32(ifNull(stated_attempt, sum(tier_changed) OVER (PARTITION BY project, request_id ORDER BY time, span_id) + 1)) AS attempt,
  max(own_task) OVER (PARTITION BY project, request_id) AS request_task
FROM (
  -- verifiers and routers begin no attempt: they take the number that holds when they are called
  SELECT *, role = 'answer' AND ifNull(tier != lagInFrame(tier, 1, tier) OVER (
    PARTITION BY project, request_id, role = 'answer' ORDER BY time, span_id
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), 0) AS tier_changed
  FROM counted_calls
);

-- The table that people query, priced.
CREATE OR REPLACE VIEW calls AS
WITH priced AS (
  SELECT c.*,
    -- the highest bracket below the call among the rates of its instant; 0 where none holds
    arrayLastIndex(r -> c.time >= r.valid_from AND c.time < r.valid_until AND ifNull(c.input_tokens, 0) > r.above_input_tokens
      AND if(r.daily_from_s <= r.daily_until_s,
        toUInt32(c.time) % 86400 >= r.daily_from_s AND toUInt32(c.time) % 86400 < r.daily_until_s,
        toUInt32(c.time) % 86400 >= r.daily_from_s OR toUInt32(c.time) % 86400 < r.daily_until_s), b.rates) AS holding,
    b.rates[holding] AS rate,
    greatest(c.input_tokens - ifNull(c.cache_read_tokens, 0) - ifNull(c.cache_write_tokens, 0), 0) AS fresh_tokens,
    least(ifNull(c.cache_write_1h_tokens, 0), ifNull(c.cache_write_tokens, 0)) AS long_tokens,
    fresh_tokens * rate.input / 1e6 AS computed_input_usd,
    if(c.input_tokens IS NULL, NULL,
      if(ifNull(c.cache_read_tokens, 0) = 0, 0, c.cache_read_tokens * rate.cache_read)
      + if(ifNull(c.cache_write_tokens, 0) = 0, 0, (c.cache_write_tokens - long_tokens) * rate.cache_write)
      + if(long_tokens = 0, 0, long_tokens * rate.cache_write_1h)) / 1e6 AS computed_cache_usd,
    c.thinking_tokens * rate.thinking / 1e6 AS computed_thinking_usd,
    (c.output_tokens - c.thinking_tokens) * rate.answer / 1e6 AS computed_answer_usd,
    -- thinking unknown: the output has a price only where thinking and answer cost the same
    if(c.thinking_tokens IS NULL, if(rate.thinking = rate.answer, c.output_tokens * rate.answer / 1e6, NULL),
      computed_thinking_usd + computed_answer_usd) AS computed_output_usd,
    computed_input_usd + computed_cache_usd + computed_output_usd AS computed_usd,
    -- an amount that the provider reports holds; the buckets are scaled to it
    if(c.reported_cost_usd IS NULL, 1, if(computed_usd > 0, c.reported_cost_usd / computed_usd, NULL)) AS scale
  FROM numbered_calls AS c
  LEFT JOIN price_books AS b ON b.provider = c.provider AND b.model = c.model AND b.service_tier = c.billed_tier
)
SELECT
  project, time, trace_id, span_id, request_id, if(request_task = '', 'unknown', request_task) AS task, tier,
  attempt, strategy, sample, role, provider, model, operation,
  environment, phase, billed_tier AS service_tier, effort, budget_tokens, input_tokens, cache_read_tokens, cache_write_tokens,
  cache_write_1h_tokens, output_tokens, thinking_tokens, output_tokens - thinking_tokens AS answer_tokens,
  thinking_source, duration_ns / 1e6 AS duration_ms, time_to_first_chunk_ms, time_to_first_answer_ms, finish_reason, error_type, user_id,
  session_id, service_name, sampling_probability, response_id, dialect, attributes,
  computed_input_usd * scale AS cost_input_usd, computed_cache_usd * scale AS cost_cache_usd,
  computed_thinking_usd * scale AS cost_thinking_usd, computed_answer_usd * scale AS cost_answer_usd,
  computed_output_usd * scale AS cost_output_usd, coalesce(reported_cost_usd, computed_usd) AS cost_usd,
  multiIf(reported_cost_usd IS NOT NULL, 'provider', computed_usd IS NOT NULL, 'computed',
    input_tokens IS NULL OR output_tokens IS NULL, 'unknown', 'unpriced') AS cost_source,
  billed, merged_spans, thinking_above_output, cache_above_input, inserted
FROM priced
SETTINGS join_use_nulls = 0;
