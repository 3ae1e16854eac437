-- Whether several instrumentations may have seen the same call in these traces, and whether a span lacks context that an
-- ancestor may have. A repeat that is not merged yet counts too: it costs time, and changes nothing.
WITH inferences AS (
  SELECT project, trace_id, scope_name, response_id,
    parent_span_id != '' AND (request_id = '' OR task = '' OR tier IS NULL OR attempt IS NULL) AS lacks
  FROM spans
  WHERE span_class = 'inference'
    AND (project, trace_id) IN (SELECT project, trace_id FROM settling_traces WHERE run = {run:UInt64})
)
SELECT
  (SELECT count() FROM (SELECT 1 FROM inferences GROUP BY project, trace_id HAVING uniqExact(scope_name) > 1)) > 0
    OR (SELECT count() FROM (
      SELECT 1 FROM inferences WHERE response_id != '' GROUP BY project, response_id HAVING uniqExact(scope_name) > 1)) > 0
    AS tangled,
  (SELECT countIf(lacks) FROM inferences) > 0 AS lacking
