-- Rows of these requests that were not made anew: there is no such request any more, or it begins in another quarter of an
-- hour. A row has the time of one of its calls, or of one that it once had: those of the days of all are looked through.
INSERT INTO request_facts (project, request_id, time, version, is_deleted)
WITH asked AS (SELECT project, request_id FROM changed_requests WHERE run = {run:UInt64} AND piece = {piece:UInt32})
SELECT project, request_id, time, {version:DateTime64(6)}, 1
FROM request_facts FINAL
WHERE (project, request_id) IN asked AND version < {version:DateTime64(6)}
  AND toStartOfFifteenMinutes(time) IN (
    SELECT day + toIntervalMinute(15 * arrayJoin(range(96)))
    FROM (SELECT DISTINCT toStartOfDay(toDateTime(c.time, 'UTC')) AS day FROM call_facts AS c WHERE (c.project, c.request_id) IN asked))
