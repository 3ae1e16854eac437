-- Whether a span is known to show thinking: it was found odd for it, or tells how far its thinking reflects. As a column
-- of its own, since all attributes of a span are read where one of them is.
ALTER TABLE spans ADD COLUMN IF NOT EXISTS shows_thinking Bool
  MATERIALIZED position(attributes['thinkmeter.odd'], 'thinking') > 0 OR attributes['thinkmeter.thinking.reflection_ratio'] != '';

-- `call_identities` as in 0005, but where a span of the call shows thinking, 0 is no count, whoever says it.
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
    -- a wrapper says what its nearest inference descendants say in sum, or nothing; the deepest with usage stays.
    -- Where several instrumentations stand beside each other below it, it may say what those of one say. Of a stream
    -- that was cut the output is unknown, and a wrapper's placeholder for it contradicts nothing.
    arrayFirst(ds -> notEmpty(ds)
      AND greatest(head.input_tokens, 0) = arraySum(d -> greatest(d.input_tokens, 0), ds)
      AND (greatest(head.output_tokens, 0) = arraySum(d -> greatest(d.output_tokens, 0), ds)
        OR (head.input_tokens > 0 AND arrayExists(d -> d.output_tokens < 0, ds))),
      arrayConcat([descendants], arrayMap(scope -> arrayFilter(d -> d.scope_name = scope, descendants),
        arraySort(arrayDistinct(arrayMap(d -> d.scope_name, descendants)))))) AS summed,
    notEmpty(descendants) AND if(empty(speaking), head_silent, head_silent OR notEmpty(summed)) AS is_wrapper,
    if(head_silent OR empty(summed), descendants, summed) AS wrapped,
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
-- (c) beside each other: a span without a response id echoes one of another instrumentation under the same parent that
-- asked the same model at that time and says the same usage, or says none at all, as of a stream that was left early or a
-- request that was refused. Who says more stays; of two that say the same, the scope's name decides.
beside AS (
  SELECT project, trace_id, span_id, parent_span_id, request_model, response_model, scope_name, time,
    toInt64(toUnixTimestamp(time)) AS started, addNanoseconds(time, duration_ns) AS ended,
    input_tokens, output_tokens, input_tokens IS NULL AND output_tokens IS NULL AS mute,
    multiIf(scope_name = 'thinkmeter', 3, response_id != '', 2, mute, 0, 1) AS says
  FROM spans FINAL
  WHERE span_class = 'inference' AND parent_span_id != '' AND (project, trace_id) IN (
    SELECT project, trace_id FROM spans WHERE span_class = 'inference'
      AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
    GROUP BY project, trace_id HAVING uniqExact(scope_name) > 1)
),
echoes AS (
  SELECT m.project AS project, m.trace_id AS trace_id, m.span_id AS span_id,
    argMin(o.span_id, (-o.says, abs(dateDiff('microsecond', m.time, o.time)))) AS home
  -- the one starts within a second of the other; joined by the second, so that a long flat trace is no square
  FROM (SELECT *, arrayJoin([started - 1, started, started + 1]) AS near FROM beside WHERE says < 2) AS m
  INNER JOIN beside AS o
    ON o.project = m.project AND o.trace_id = m.trace_id AND o.parent_span_id = m.parent_span_id AND o.started = m.near
  WHERE o.scope_name != m.scope_name AND (o.says > m.says OR o.says = m.says AND o.scope_name < m.scope_name)
    AND m.request_model IN (o.request_model, o.response_model) AND o.time <= m.ended AND m.time <= o.ended
    AND (m.mute OR (ifNull(m.input_tokens, -1) = ifNull(o.input_tokens, -1)
      AND ifNull(m.output_tokens, -1) = ifNull(o.output_tokens, -1)))
  GROUP BY project, trace_id, span_id
),
-- one row a span: '' for home where it stays, where several descendants share what it says ('-') or whose it is
nested AS (
  SELECT project, trace_id, said.1 AS span_id, max(said.2) AS home
  FROM (
    SELECT project, trace_id, arrayJoin(arrayConcat(
      if(head.span_id = '', [], [(head.span_id, multiIf(NOT is_wrapper, '', length(wrapped) = 1, wrapped[1].span_id, '-'))]),
      if(has_echoes, arrayMap(d -> (d.span_id, head.span_id), descendants), []))) AS said
    FROM families
    UNION ALL
    SELECT project, trace_id, (span_id, home) AS said FROM echoes
  )
  GROUP BY project, trace_id, span_id
),
-- (a) by response: project, provider, response id, model and usage agree within 24 h, scopes differ. The n-th
-- of one scope is the n-th of the other, so a response id that repeats within a scope stays several calls. Within a
-- trace the usage need not agree: some instrumentations miscount streams.
told AS (
  SELECT *, row_number() OVER (PARTITION BY project, provider, response, model, agreed_input, agreed_output, scope_name
      ORDER BY time, span_id) AS ordinal
  FROM (
  SELECT *,
    -- some know the response's model by its date, some do not
    replaceRegexpOne(if(response_model != '', toString(response_model), toString(request_model)),
      '-([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})$', '') AS model,
    multiIf(nested_home != '' OR (response_id = '' AND lent_id = ''), concat('span ', trace_id, span_id),
      response_id != '', response_id, lent_id) AS response,
    first_value(input_tokens) OVER same_trace AS agreed_input,
    first_value(output_tokens) OVER same_trace AS agreed_output
  FROM (
  SELECT s.*, n.home AS nested_home,
    -- a wrapper lends its response to the span that it wraps
    max(if(n.home IN ('', '-'), '', s.response_id)) OVER (
      PARTITION BY s.project, s.trace_id, if(n.home IN ('', '-'), s.span_id, n.home)) AS lent_id
  FROM (
    SELECT project, trace_id, span_id, time, scope_name, provider, request_model, response_model, response_id,
      service_tier, effort, budget_tokens, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens,
      output_tokens, thinking_tokens, thinking_source, shows_thinking, reported_cost_usd, time_to_first_chunk_ms,
      time_to_first_answer_ms, finish_reason
    FROM spans FINAL
    WHERE span_class = 'inference' AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
  ) AS s
  INNER JOIN nested AS n ON n.project = s.project AND n.trace_id = s.trace_id AND n.span_id = s.span_id
  )
  WINDOW same_trace AS (PARTITION BY project, trace_id, provider, response, model
    ORDER BY scope_name = 'thinkmeter' DESC, time, span_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
  )
),
dated AS (
  SELECT *, intDiv(dateDiff('second', min(time) OVER (
    PARTITION BY project, provider, response, model, agreed_input, agreed_output, ordinal), time), 86400) AS day,
    -- the request, the tier and whatever else our own spans say of it lie in their trace
    max(scope_name = 'thinkmeter') OVER (PARTITION BY project, trace_id) AS in_our_trace
  FROM told
),
homed AS (
  SELECT *,
    first_value((trace_id, span_id)) OVER (
      PARTITION BY project, provider, response, model, agreed_input, agreed_output, ordinal, day
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
  argMax(h.input_tokens, h.is_home) AS input_tokens,
  -- a stream that was cut has an input and no output: what others put in its place counted what had come so far
  if(countIf(h.is_home AND h.input_tokens IS NOT NULL AND h.output_tokens IS NULL) > 0, NULL,
    argMax(h.output_tokens, h.is_home)) AS output_tokens,
  argMax(h.cache_read_tokens, h.is_home) AS cache_read_tokens, argMax(h.cache_write_tokens, h.is_home) AS cache_write_tokens,
  argMax(h.cache_write_1h_tokens, h.is_home) AS cache_write_1h_tokens, argMax(h.budget_tokens, h.is_home) AS budget_tokens,
  if(max(h.shows_thinking), argMaxIf(h.thinking, h.thinking_rank, h.thinking > 0),
    argMax(h.thinking, h.thinking_rank)) AS thinking_tokens,
  if(max(h.shows_thinking), argMaxIf(toString(h.thinking_source), h.thinking_rank, h.thinking > 0),
    argMaxIf(toString(h.thinking_source), h.thinking_rank, h.thinking IS NOT NULL)) AS thinking_source,
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

-- `lone_identities` as in 0007, with the same rule.
CREATE OR REPLACE VIEW lone_identities AS
SELECT project, trace_id, span_id, toUInt64(1) AS merged_spans, input_tokens, output_tokens, cache_read_tokens,
  cache_write_tokens, cache_write_1h_tokens, budget_tokens,
  if(said_thinking < 0 OR said_thinking > output_tokens OR said_thinking = 0 AND shows_thinking, NULL, said_thinking)
    AS thinking_tokens,
  if(thinking_tokens IS NULL, '', toString(said_source)) AS thinking_source,
  reported_cost_usd, time_to_first_chunk_ms, time_to_first_answer_ms, toString(service_tier) AS service_tier,
  toString(effort) AS effort, toString(finish_reason) AS finish_reason, response_id,
  ifNull(said_thinking > output_tokens, false) AS thinking_above_output,
  ifNull(ifNull(cache_read_tokens, 0) + ifNull(cache_write_tokens, 0) > input_tokens, false) AS cache_above_input
FROM (
  SELECT * EXCEPT (thinking_tokens, thinking_source), thinking_tokens AS said_thinking, thinking_source AS said_source,
    shows_thinking
  FROM spans FINAL
  WHERE span_class = 'inference' AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
);
