-- Calls of the traces that were touched, as they are now known.
INSERT INTO call_facts
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
  s.inserted AS inserted, {version:DateTime64(6)} AS version, 0 AS is_deleted
FROM {identities:Identifier} AS i
INNER JOIN (
  SELECT * FROM spans FINAL
  WHERE span_class = 'inference' AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
) AS s ON s.project = i.project AND s.trace_id = i.trace_id AND s.span_id = i.span_id
LEFT JOIN {lineage:Identifier} AS l ON l.project = s.project AND l.trace_id = s.trace_id AND l.span_id = s.span_id
LEFT JOIN (
  SELECT project, trace_id, groupUniqArray(2)(request_id) AS request_ids FROM spans
  WHERE request_id != '' AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
  GROUP BY project, trace_id
) AS t ON t.project = s.project AND t.trace_id = s.trace_id
SETTINGS join_use_nulls = 0
