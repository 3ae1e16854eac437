-- Rules of one kind in their order.
SELECT attribute, pattern, value
FROM current_rules
WHERE kind = {kind:String}
ORDER BY position
