-- Traces with spans that arrived since the job last came this far; see settle_until.
INSERT INTO settling_traces (run, project, trace_id)
SELECT DISTINCT {run:UInt64}, project, trace_id FROM spans
WHERE inserted >= {since:DateTime64(6)}
  AND (inserted < now64(6) + INTERVAL 1 MINUTE OR inserted >= {ahead:DateTime64(6)})
