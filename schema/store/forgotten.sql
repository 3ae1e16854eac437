CREATE TABLE forgotten_requests ENGINE = MergeTree ORDER BY (project, request_id) AS
SELECT DISTINCT project, request_id FROM (
  SELECT project, request_id FROM calls
  WHERE project = {project:String} AND multiIf({kind:String} = 'user', user_id, {kind:String} = 'session', session_id,
    request_id) = {name:String}
  UNION ALL
  SELECT project, request_id FROM spans
  WHERE project = {project:String} AND request_id != '' AND multiIf({kind:String} = 'user', user_id,
    {kind:String} = 'session', session_id, request_id) = {name:String}
  UNION ALL
  SELECT {project:String}, {name:String} WHERE {kind:String} = 'request'
);
CREATE TABLE forgotten_spans ENGINE = MergeTree ORDER BY (project, trace_id, span_id) AS
WITH own AS (
  SELECT project, trace_id, span_id FROM calls
  WHERE (project, request_id) IN (SELECT project, request_id FROM forgotten_requests)
  UNION DISTINCT
  SELECT project, trace_id, span_id FROM spans
  WHERE (project, request_id) IN (SELECT project, request_id FROM forgotten_requests)
    OR (project = {project:String} AND {name:String} = multiIf({kind:String} = 'user', user_id,
      {kind:String} = 'session', session_id, ''))
), shared AS (
  SELECT DISTINCT project, trace_id FROM calls
  WHERE (project, trace_id) IN (SELECT project, trace_id FROM own)
    AND (project, request_id) NOT IN (SELECT project, request_id FROM forgotten_requests)
)
SELECT DISTINCT project, trace_id, span_id, response_id,
  (project, trace_id) NOT IN (SELECT project, trace_id FROM shared) AS whole
FROM spans
WHERE (project, trace_id, span_id) IN (SELECT project, trace_id, span_id FROM own)
  OR ((project, trace_id) IN (SELECT project, trace_id FROM own)
    AND (project, trace_id) NOT IN (SELECT project, trace_id FROM shared));
