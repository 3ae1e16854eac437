-- What rules on metrics saw when they last looked: all of one look have one time, and a rule that is gone has none of it.
SELECT project, rule, key, time, state, since, task, user_id, session_id, metric, field, value, low, high, target, n, said
FROM alert_readings FINAL
WHERE time = (SELECT max(time) FROM alert_readings) AND ({project:String} = '' OR project IN ('', {project:String}))
  AND ({task:String} = '' OR task IN ('', {task:String}))
ORDER BY indexOf(['firing', 'error', 'pending', 'doubtful', 'insufficient_data', 'ok'], state), rule, project, key
LIMIT {most:UInt64}
