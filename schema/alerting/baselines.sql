-- Baselines of a project for some minutes; where two processes made one at the same time, the first stands.
SELECT task, since, until, n, p95, bound
FROM runaway_baselines
WHERE project = {project:String} AND until IN (SELECT fromUnixTimestamp(arrayJoin({minutes:Array(UInt32)})))
ORDER BY until, task, made
LIMIT 1 BY until, task
