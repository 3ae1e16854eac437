-- As of when a piece is made, how many requests it has, and whether a call of them does not say which attempt it belongs to.
WITH asked AS (SELECT * FROM changed_requests WHERE run = {run:UInt64} AND piece = {piece:UInt32})
SELECT now64(6) AS version, (SELECT count() FROM asked) AS requests,
  (SELECT count() FROM (
    SELECT 1 FROM call_facts AS c
    WHERE (c.project, toDate(c.time), c.request_id) IN (SELECT project, arrayJoin(call_days), request_id FROM asked)
      AND stated_attempt IS NULL
    LIMIT 1)) > 0 AS unnumbered
