-- Whether the store is the embedded one, and no part of spans is younger than so many seconds.
SELECT count() = 0
  AND (SELECT count() FROM system.macros WHERE macro = 'thinkmeter_store' AND substitution = 'embedded') > 0
FROM system.parts
WHERE database = currentDatabase() AND table = 'spans' AND active
  AND modification_time > now() - toIntervalSecond({quiet_s:UInt32})
