-- Rows of these requests that were not made anew: there is no such request any more, or it begins in another quarter of an
-- hour. A row has the time of one of its calls, or of one that it once had: those of the days of all are looked through.
INSERT INTO request_facts (project, request_id, time, version, is_deleted)
WITH asked AS (SELECT * FROM changed_requests WHERE run = {run:UInt64} AND piece = {piece:UInt32})
SELECT project, request_id, argMax(f.time, f.version) AS began, {version:DateTime64(6)}, 1
FROM request_facts AS f
WHERE (project, request_id) IN (SELECT project, request_id FROM asked)
  AND toStartOfFifteenMinutes(f.time) IN (
    SELECT toDateTime(d.day, 'UTC') + toIntervalMinute(15 * arrayJoin(range(96)))
    FROM (SELECT DISTINCT arrayJoin(call_days) AS day FROM asked) AS d)
GROUP BY project, request_id, toStartOfFifteenMinutes(f.time)
HAVING max(f.version) < {version:DateTime64(6)} AND argMax(f.is_deleted, f.version) = 0
