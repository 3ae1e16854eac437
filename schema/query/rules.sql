-- What rules say that a reader goes by: the policies, the time zone in which days begin, and those that requests are made by
-- as one number.
SELECT (SELECT groupArray((attribute, value)) FROM current_rules WHERE kind = 'policy') AS policies,
  (SELECT max(value) FROM current_rules WHERE kind = 'timezone') AS timezone,
  (SELECT rules FROM request_rules) AS made_by
