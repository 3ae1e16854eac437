-- Of the verdicts and labels that do not name their request and attempt all that may belong to the requests of a piece: by a
-- trace in which these have calls or spans, by a trace that is a request's name, or by a response.
INSERT INTO near_evaluations (run, piece, project, day, request_id, trace_id, span_id, response_id)
WITH asked AS (SELECT * FROM changed_requests WHERE run = {run:UInt64} AND piece = {piece:UInt32}),
of_calls AS (
  SELECT project, trace_id, response_id FROM call_facts AS c
  WHERE (c.project, toDate(c.time), c.request_id) IN (SELECT project, arrayJoin(call_days), request_id FROM asked)
),
near AS (
  SELECT project, trace_id FROM of_calls
  UNION ALL
  SELECT project, request_id AS trace_id FROM asked
  UNION ALL
  SELECT project, trace_id FROM spans
  WHERE span_class != 'inference' AND (project, request_id) IN (SELECT project, request_id FROM asked)
)
SELECT DISTINCT {run:UInt64}, {piece:UInt32}, project, day, request_id, trace_id, span_id, response_id
FROM (
  SELECT project, toDate(time) AS day, request_id, trace_id, span_id, response_id FROM verdicts
  WHERE unplaced AND (project, request_id) IN (SELECT project, request_id FROM asked)
  UNION ALL
  SELECT project, toDate(time) AS day, request_id, trace_id, span_id, response_id FROM verdicts
  WHERE unplaced AND (project, trace_id) IN (SELECT project, trace_id FROM near)
  UNION ALL
  SELECT project, toDate(time) AS day, request_id, trace_id, span_id, response_id FROM verdicts
  WHERE unplaced AND (project, response_id) IN (SELECT project, response_id FROM of_calls WHERE response_id != '')
  UNION ALL
  SELECT project, toDate(time) AS day, request_id, trace_id, span_id, response_id FROM labels
  WHERE unplaced AND (project, request_id) IN (SELECT project, request_id FROM asked)
  UNION ALL
  SELECT project, toDate(time) AS day, request_id, trace_id, span_id, response_id FROM labels
  WHERE unplaced AND (project, trace_id) IN (SELECT project, trace_id FROM near)
  UNION ALL
  SELECT project, toDate(time) AS day, request_id, trace_id, span_id, response_id FROM labels
  WHERE unplaced AND (project, response_id) IN (SELECT project, response_id FROM of_calls WHERE response_id != '')
)
