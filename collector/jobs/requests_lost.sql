-- Verdicts and labels of a piece that do not name their request and attempt, as the view `lost_evaluations` has them, which a
-- test holds against it; where they lie has been written down.
WITH lost AS (SELECT * FROM near_evaluations WHERE run = {run:UInt64} AND piece = {piece:UInt32}),
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
  SELECT * FROM said_verdicts AS v WHERE unplaced AND (v.project, toDate(v.time), v.request_id, v.trace_id, v.span_id, v.response_id)
    IN (SELECT project, day, request_id, trace_id, span_id, response_id FROM lost)
  UNION ALL
  SELECT * FROM said_labels AS l WHERE unplaced AND (l.project, toDate(l.time), l.request_id, l.trace_id, l.span_id, l.response_id)
    IN (SELECT project, day, request_id, trace_id, span_id, response_id FROM lost)
) AS e
LEFT ANY JOIN judged_spans AS s
  ON s.project = e.project AND s.trace_id = e.trace_id AND s.span_id = e.span_id
LEFT ANY JOIN judged_responses AS r
  ON r.project = e.project AND r.response_id = e.response_id
SETTINGS join_use_nulls = 0
