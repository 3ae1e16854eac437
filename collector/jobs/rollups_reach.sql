INSERT INTO reach_cells (step, time, build, project, task, kinds, requests)
SELECT 900, toStartOfFifteenMinutes(f.time) AS begin, {build:UInt64}, f.project, f.task,
  arraySort(kind -> toString(kind), arrayDistinct(arrayMap((t, e, m, tier, p) ->
    (toStartOfFifteenMinutes(t), toString(e), toString(m), tier, toString(p)),
    f.calls.time, f.calls.environment, f.calls.model, f.calls.tier, f.calls.provider))) AS met, count()
FROM request_facts AS f FINAL
WHERE toStartOfFifteenMinutes(f.time) IN {quarters:Array(DateTime('UTC'))}
GROUP BY begin, f.project, f.task, met
