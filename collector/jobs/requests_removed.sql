-- Rows of the requests of some pieces that were not made anew: there is no such request any more, or it begins in another
-- quarter of an hour. A row has the time of one of its calls, or of one that it once had: those of the days of all are looked
-- through.
INSERT INTO request_facts (project, request_id, time, version, is_deleted)
WITH asked AS (
  SELECT * FROM changed_requests WHERE run = {run:UInt64} AND piece BETWEEN {first:UInt32} AND {last:UInt32}
)
SELECT project, request_id, f.time, {version:DateTime64(6)}, 1
FROM request_facts AS f FINAL
WHERE f.version < {version:DateTime64(6)}
  AND toStartOfFifteenMinutes(f.time) IN (
    SELECT toDateTime(d.day, 'UTC') + toIntervalMinute(15 * arrayJoin(range(96)))
    FROM (SELECT DISTINCT arrayJoin(call_days) AS day FROM asked) AS d)
  AND (project, request_id) IN (SELECT project, request_id FROM asked)
