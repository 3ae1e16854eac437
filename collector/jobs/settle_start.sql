-- Traces with spans that arrived since the job last came this far.
INSERT INTO settling_traces (run, project, trace_id)
WITH (SELECT max(settled_until) FROM watermarks WHERE job = 'settle') AS settled_before
SELECT DISTINCT {run:UInt64}, project, trace_id FROM spans WHERE inserted >= settled_before
