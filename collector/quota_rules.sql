-- `[quotas]` as JSON, and where the project's days begin.
SELECT kind, value FROM current_rules WHERE kind IN ('quota', 'timezone')
