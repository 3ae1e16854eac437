-- Tables that keep rows of a project, with the columns by which a row may name a request, a span, a user or a session.
SELECT c.table, groupArray(c.name) AS columns
FROM system.columns AS c
INNER JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
WHERE c.database = currentDatabase() AND t.engine LIKE '%MergeTree' AND c.table NOT LIKE 'forgotten\_%'
  AND c.name IN ('project', 'request_id', 'trace_id', 'span_id', 'response_id', 'user_id', 'session_id')
GROUP BY c.table
HAVING has(columns, 'project') AND (length(columns) > 1 OR c.table = 'alert_attempts')
ORDER BY c.table
