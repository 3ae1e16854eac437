-- Whether no part of spans is younger than so many seconds.
SELECT count() = 0 FROM system.parts
WHERE database = currentDatabase() AND table = 'spans' AND active
  AND modification_time > now() - toIntervalSecond({quiet_s:UInt32})
