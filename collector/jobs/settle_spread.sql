-- Traces that share a response with one of this run and are not among them yet.
INSERT INTO settling_traces (run, project, trace_id)
WITH known AS (SELECT project, trace_id FROM settling_traces WHERE run = {run:UInt64})
SELECT DISTINCT {run:UInt64}, project, trace_id
FROM spans
WHERE (project, response_id) IN (
    SELECT project, response_id FROM spans WHERE response_id != '' AND (project, trace_id) IN (SELECT project, trace_id FROM known))
  AND (project, trace_id) NOT IN (SELECT project, trace_id FROM known)
