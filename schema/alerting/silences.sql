SELECT id, since, until, project, rule, task, key, reason, created_by
FROM alert_silences FINAL
WHERE until > {now:DateTime64(6, 'UTC')}
ORDER BY since, id
