-- The instant before which the oldest of the spans that wait were inserted, `most` of them and those of the same insert,
-- and how many that are.
WITH (SELECT max(inserted) FROM (
    SELECT inserted FROM spans WHERE inserted >= {since:DateTime64(6)} ORDER BY inserted LIMIT {most:UInt64})
  ) + toIntervalMicrosecond(1) AS until
SELECT until, count() FROM spans WHERE inserted >= {since:DateTime64(6)} AND inserted < until
