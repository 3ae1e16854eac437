-- Contexts are handed down from the roots of a trace, one generation at a time, so that a trace costs one row for each
-- of its spans, however deep it is. From the 200th generation on a span has its own context only, as one in a cycle has.
CREATE OR REPLACE VIEW span_lineage AS
WITH RECURSIVE walked AS (
  -- only where it can matter: context missing, or a trace in which two instrumentations saw inferences
  SELECT project, trace_id, span_id, parent_span_id, span_class, request_id, task, tier, attempt, strategy, sample, role,
    phase, user_id, session_id
  FROM spans FINAL
  WHERE (project, trace_id) IN (
    SELECT project, trace_id FROM spans
    WHERE span_class = 'inference' AND (project, trace_id) IN (SELECT project, trace_id FROM fresh_traces)
    GROUP BY project, trace_id
    HAVING uniqExact(scope_name) > 1 OR countIf(
      parent_span_id != '' AND (request_id = '' OR task = '' OR tier IS NULL OR attempt IS NULL)) > 0)
),
lineage AS (
  SELECT project, trace_id, span_id, span_class, request_id, task, tier, attempt, strategy, sample, role, phase, user_id,
    session_id, '' AS ancestor, toUInt16(0) AS depth
  FROM walked
  WHERE parent_span_id = '' OR (project, trace_id, parent_span_id) NOT IN (SELECT project, trace_id, span_id FROM walked)
  UNION ALL
  SELECT s.project, s.trace_id, s.span_id, s.span_class,
    if(s.request_id != '', s.request_id, l.request_id),
    if(s.task != '', s.task, l.task),
    coalesce(s.tier, l.tier),
    coalesce(s.attempt, l.attempt),
    if(s.strategy != '', s.strategy, l.strategy),
    coalesce(s.sample, l.sample),
    if(s.role != '', s.role, l.role),
    if(s.phase != '', s.phase, l.phase),
    if(s.user_id != '', s.user_id, l.user_id),
    if(s.session_id != '', s.session_id, l.session_id),
    if(l.span_class = 'inference', l.span_id, l.ancestor),
    toUInt16(l.depth + 1)
  FROM lineage AS l
  INNER JOIN walked AS s ON s.project = l.project AND s.trace_id = l.trace_id AND s.parent_span_id = l.span_id
  WHERE l.depth < 199
)
SELECT project, trace_id, span_id, request_id, task, tier, attempt, strategy, sample, role, phase, user_id, session_id,
  ancestor
FROM lineage WHERE span_class = 'inference';
