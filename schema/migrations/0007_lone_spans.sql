-- `call_identities` where no two instrumentations saw the same: each span is the call that it speaks of. The views that
-- find out who repeats whom take the store half a second to plan, which is too much for every second of such traffic.
CREATE OR REPLACE VIEW lone_identities AS
SELECT project, trace_id, span_id, toUInt64(1) AS merged_spans, input_tokens, output_tokens, cache_read_tokens,
  cache_write_tokens, cache_write_1h_tokens, budget_tokens,
  if(said_thinking < 0 OR said_thinking > output_tokens, NULL, said_thinking) AS thinking_tokens,
  if(thinking_tokens IS NULL, '', toString(said_source)) AS thinking_source,
  reported_cost_usd, time_to_first_chunk_ms, time_to_first_answer_ms, toString(service_tier) AS service_tier,
  toString(effort) AS effort, toString(finish_reason) AS finish_reason, response_id,
  ifNull(said_thinking > output_tokens, false) AS thinking_above_output,
  ifNull(ifNull(cache_read_tokens, 0) + ifNull(cache_write_tokens, 0) > input_tokens, false) AS cache_above_input
FROM (
  SELECT * EXCEPT (thinking_tokens, thinking_source), thinking_tokens AS said_thinking, thinking_source AS said_source
  FROM spans FINAL
  WHERE span_class = 'inference' AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
);

-- `span_lineage` where every span has its context itself.
CREATE OR REPLACE VIEW no_lineage AS
SELECT project, trace_id, span_id, request_id, task, tier, attempt, strategy, sample, role, phase, user_id, session_id,
  '' AS ancestor
FROM spans WHERE false;

-- What a run settles is written out where it is run.
DROP VIEW IF EXISTS fresh_calls;
