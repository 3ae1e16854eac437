SELECT term, owner, until > now64(6) AS is_held
FROM leases
WHERE name = {name:String}
ORDER BY term DESC
LIMIT 1
