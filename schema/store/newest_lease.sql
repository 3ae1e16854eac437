-- One that would end later than any lease lasts was taken before the store's clock went back.
SELECT term, owner, until > now64(6) AND until < now64(6) + INTERVAL 10 MINUTE AS is_held
FROM leases
WHERE name = {name:String}
ORDER BY term DESC
LIMIT 1
