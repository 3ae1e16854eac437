-- Alerts of rules on metrics that fire now, or fired or ended in a window, the newest first, with what became of telling.
WITH told AS (
  SELECT project, rule, key, arraySort(groupArray((channel, d.state, last_error))) AS channels
  FROM alert_deliveries AS d
  WHERE alert_state = 'firing' AND rule NOT IN ('runaway', 'test')
  GROUP BY project, rule, key
)
SELECT a.project, a.rule, a.key, a.task, a.fired, a.ended, a.value, a.threshold, a.n, a.said, a.end_said, a.muted,
  t.channels AS told_channels
FROM (
  SELECT project, rule, key, argMin(e.task, e.time) AS task, min(e.time) AS fired,
    if(countIf(e.state = 'resolved') = 0, NULL, maxIf(e.time, e.state = 'resolved')) AS ended,
    argMin(e.value, (e.state = 'resolved', e.time)) AS value, argMin(e.threshold, (e.state = 'resolved', e.time)) AS threshold,
    argMin(e.calls, (e.state = 'resolved', e.time)) AS n, argMin(e.baseline_task, (e.state = 'resolved', e.time)) AS said,
    maxIf(e.baseline_task, e.state = 'resolved') AS end_said, argMin(e.muted, (e.state = 'resolved', e.time)) AS muted
  FROM alert_events AS e
  WHERE rule NOT IN ('runaway', 'test') AND ({project:String} = '' OR project = {project:String})
  GROUP BY project, rule, key
) AS a
LEFT JOIN told AS t ON t.project = a.project AND t.rule = a.rule AND t.key = a.key
WHERE ({task:String} = '' OR a.task IN ('', {task:String})) AND (a.ended IS NULL OR (
  a.fired < {until:DateTime64(6, 'UTC')} AND a.ended >= {since:DateTime64(6, 'UTC')}))
ORDER BY a.ended IS NULL DESC, a.fired DESC, a.rule, a.key
LIMIT {most:UInt64}
SETTINGS join_use_nulls = 0
