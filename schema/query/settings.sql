-- What a reader needs to know beforehand: the time, the policies, the time zone in which days begin.
SELECT now64(6, 'UTC') AS as_of,
  (SELECT groupArray((attribute, value)) FROM current_rules WHERE kind = 'policy') AS policies,
  (SELECT max(value) FROM current_rules WHERE kind = 'timezone') AS timezone
