-- What was a call of these traces and is none any more, or is one under another request or time. A call whose span was
-- kept for a shorter time than calls are stays. Versions are told apart here, as FINAL would look through all that lies
-- between them.
INSERT INTO call_facts (project, request_id, time, trace_id, span_id, version, is_deleted)
SELECT project, request_id, time, trace_id, span_id, {version:DateTime64(6)}, 1
FROM call_facts AS c
WHERE (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
  -- a call has the time of a span, and spans of two months do not replace each other
  AND toYYYYMM(c.time) IN (
    SELECT toYYYYMM(s.time) FROM spans AS s WHERE (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces))
  AND (project, trace_id, span_id) IN (
    SELECT project, trace_id, span_id FROM spans WHERE (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces))
GROUP BY project, request_id, time, trace_id, span_id
HAVING max(c.version) < {version:DateTime64(6)} AND argMax(c.is_deleted, c.version) = 0
