-- When a channel was told of new alerts since then, by project, rule and task class; one row a message.
SELECT project, rule, task, min(time) AS told
FROM alert_attempts
WHERE channel = {channel:String} AND state = 'sent' AND alert_state = 'firing' AND time >= {since:DateTime64(6, 'UTC')}
GROUP BY project, rule, task, message
ORDER BY told
