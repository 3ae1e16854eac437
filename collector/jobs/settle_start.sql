-- Traces with spans that arrived since the job last came this far, those before `until`; see settle_until, settle_slice.
INSERT INTO settling_traces (run, project, trace_id)
SELECT DISTINCT {run:UInt64}, project, trace_id FROM spans
WHERE inserted >= {since:DateTime64(6)} AND inserted < {until:DateTime64(6)}
  AND (inserted < now64(6) + INTERVAL 1 MINUTE OR inserted >= {ahead:DateTime64(6)})
