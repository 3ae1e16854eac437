-- The days of which requests have calls, verdicts or labels that came since then. Written down before any of those requests
-- is made, and again where a run was cut off: it is said once, however often it is written.
INSERT INTO request_days (request, day, kinds)
SELECT DISTINCT cityHash64(toString(project), request_id), toDate(c.time), 1
FROM call_facts AS c WHERE c.version >= {since:DateTime64(6)}
UNION ALL
SELECT DISTINCT cityHash64(toString(project), request_id), toDate(v.time), 2
FROM verdicts AS v WHERE v.inserted >= {since:DateTime64(6)} AND NOT unplaced
UNION ALL
SELECT DISTINCT cityHash64(toString(project), request_id), toDate(l.time), 4
FROM labels AS l WHERE l.inserted >= {since:DateTime64(6)} AND NOT unplaced
