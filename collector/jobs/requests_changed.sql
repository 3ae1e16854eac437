-- Requests that something has come to since then.
INSERT INTO touched_requests (run, project, request_id)
WITH lost AS (
  SELECT project, trace_id, span_id, response_id FROM verdicts WHERE unplaced AND inserted >= {since:DateTime64(6)}
  UNION DISTINCT
  SELECT project, trace_id, span_id, response_id FROM labels WHERE unplaced AND inserted >= {since:DateTime64(6)}
)
SELECT {run:UInt64}, project, request_id FROM (
  SELECT project, request_id FROM call_facts WHERE version >= {since:DateTime64(6)}
  UNION ALL
  SELECT project, request_id FROM verdicts WHERE inserted >= {since:DateTime64(6)}
  UNION ALL
  SELECT project, request_id FROM labels WHERE inserted >= {since:DateTime64(6)}
  UNION ALL
  SELECT project, request_id FROM spans WHERE inserted >= {since:DateTime64(6)} AND span_class != 'inference'
  UNION ALL
  -- wherever a verdict or label may belong that does not say it itself
  SELECT project, trace_id AS request_id FROM lost
  UNION ALL
  SELECT project, request_id FROM spans
  WHERE request_id != '' AND (project, trace_id, span_id) IN (SELECT project, trace_id, span_id FROM lost WHERE span_id != '')
  UNION ALL
  SELECT project, request_id FROM call_facts
  WHERE (project, trace_id, span_id) IN (SELECT project, trace_id, span_id FROM lost WHERE span_id != '')
  UNION ALL
  SELECT project, request_id FROM call_facts
  WHERE (project, response_id) IN (SELECT project, response_id FROM lost WHERE response_id != '')
)
WHERE request_id != ''
GROUP BY project, request_id
