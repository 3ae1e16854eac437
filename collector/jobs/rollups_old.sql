-- How many builds have been replaced so long ago that no reader is at them any more.
SELECT count() AS builds FROM (
  SELECT 1 FROM rollup_stretches GROUP BY step, time HAVING count() > 1 AND max(build) < {before:UInt64}
)
