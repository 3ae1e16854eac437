-- Rollups of accuracy, and of how far thinking reflects, which calls tell in an attribute: as a column of their own, since all
-- attributes of a call are read where one of them is.
ALTER TABLE call_facts ADD COLUMN IF NOT EXISTS reflection_ratio Nullable(Float64)
  MATERIALIZED if(toFloat64OrNull(attributes['thinkmeter.thinking.reflection_ratio']) BETWEEN 0 AND 1,
    toFloat64OrNull(attributes['thinkmeter.thinking.reflection_ratio']), NULL);
ALTER TABLE request_facts ADD COLUMN IF NOT EXISTS `calls.reflection_ratio` Array(Nullable(Float64)) AFTER `calls.cache_above_input`;

-- As they were, with that column.
CREATE OR REPLACE VIEW counted_calls AS
WITH
  (SELECT groupArray((pattern, toUInt8OrZero(value))) FROM (SELECT * FROM current_rules WHERE kind = 'tier' ORDER BY position)) AS tier_rules,
  (SELECT groupArray((pattern, value)) FROM (SELECT * FROM current_rules WHERE kind = 'task' ORDER BY position)) AS task_rules,
  (SELECT count() = 0 FROM current_rules WHERE kind = 'task') AS no_task_rules,
  (SELECT groupArray(pattern) FROM current_rules WHERE kind = 'never_thinks') AS never_thinks
SELECT
  c.*, c.reflection_ratio AS reflection_ratio,
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

CREATE OR REPLACE VIEW numbered_calls AS
SELECT *,
  toUInt32(ifNull(stated_attempt, sum(tier_changed) OVER (PARTITION BY project, request_id ORDER BY time, span_id) + 1)) AS attempt,
  max(own_task) OVER (PARTITION BY project, request_id) AS request_task
FROM (
  -- verifiers and routers begin no attempt: they take the number that holds when they are called
  SELECT *, role = 'answer' AND ifNull(tier != anyLast(tier) OVER (
    PARTITION BY project, request_id, role = 'answer' ORDER BY time, span_id
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS tier_changed
  FROM counted_calls
);

CREATE TABLE IF NOT EXISTS accuracy_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  task LowCardinality(String),
  settled UInt8,
  weight Float64,
  is_correct Int8,
  label_probability Nullable(Float64),
  requests UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

CREATE TABLE IF NOT EXISTS reflection_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  task LowCardinality(String),
  settled UInt8,
  weight Float64,
  ratio Float64,
  is_correct Int8,
  label_probability Nullable(Float64),
  attempts UInt64,
  counted UInt64,
  tokens Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task);

-- The job makes all requests anew, and all cells with them.
TRUNCATE TABLE request_progress;
TRUNCATE TABLE rollup_stretches;
