-- What was a call of these traces and is none any more, or is one under another request or time. A call whose span was
-- kept for a shorter time than calls are stays.
INSERT INTO call_facts (project, request_id, time, trace_id, span_id, version, is_deleted)
SELECT project, request_id, time, trace_id, span_id, {version:DateTime64(6)}, 1
FROM call_facts FINAL
WHERE (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces) AND version < {version:DateTime64(6)}
  AND (project, trace_id, span_id) IN (
    SELECT project, trace_id, span_id FROM spans WHERE (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
  )
