INSERT INTO reach_cells (step, time, build, project, task, kinds, requests)
SELECT 86400, toStartOfDay(c.time) AS day, {build:UInt64}, project, task,
  arraySort(kind -> toString(kind), arrayDistinct(arrayMap(kind ->
    (toStartOfDay(kind.1), kind.2, kind.3, kind.4, kind.5), kinds))) AS met, sum(requests)
FROM reach_cells AS c
WHERE {of_days}
GROUP BY day, project, task, met
