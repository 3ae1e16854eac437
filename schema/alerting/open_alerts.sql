-- Alerts that fire: the event with which they began.
SELECT * FROM alert_events FINAL
WHERE state = 'firing' AND (project, rule, key) NOT IN (
  SELECT project, rule, key FROM alert_events WHERE state = 'resolved')
ORDER BY time
