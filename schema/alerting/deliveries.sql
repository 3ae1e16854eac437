-- What a channel is still to be told: events since then, each with its newest try.
WITH tried AS (
  SELECT event, max(a.attempt) AS attempts, argMax(a.state, (a.attempt, a.state != 'sending')) AS newest_state,
    argMax(a.message, a.attempt) AS newest_message, max(a.perhaps_sent) AS was_perhaps_sent,
    argMax(tuple(a.next_attempt), (a.attempt, a.state != 'sending')).1 AS due
  FROM alert_attempts AS a
  WHERE channel = {channel:String}
    AND event IN (SELECT event FROM alert_events WHERE time >= {since:DateTime64(6, 'UTC')})
  GROUP BY event
)
SELECT e.* , t.attempts, t.newest_state, t.newest_message, t.was_perhaps_sent, t.due
FROM (
  SELECT * FROM alert_events FINAL WHERE time >= {since:DateTime64(6, 'UTC')} AND has(channels, {channel:String})
) AS e
LEFT JOIN tried AS t ON t.event = e.event
WHERE t.newest_state NOT IN ('sent', 'failed')
ORDER BY e.time, e.event
SETTINGS join_use_nulls = 0
