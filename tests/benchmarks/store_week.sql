-- The requests that are there once more, {weeks:UInt32} weeks earlier, under other names.
INSERT INTO request_facts
SELECT * REPLACE (
  concat(substring(request_id, 3), leftPad(hex({weeks:UInt32}), 2, '0')) AS request_id,
  time - toIntervalWeek({weeks:UInt32}) AS time, end_time - toIntervalWeek({weeks:UInt32}) AS end_time,
  first_call - toIntervalWeek({weeks:UInt32}) AS first_call, last_call - toIntervalWeek({weeks:UInt32}) AS last_call,
  arrayMap(t -> t - toIntervalWeek({weeks:UInt32}), `attempts.time`) AS `attempts.time`,
  arrayMap(t -> t - toIntervalWeek({weeks:UInt32}), `attempts.end_time`) AS `attempts.end_time`,
  arrayMap(t -> t - toIntervalWeek({weeks:UInt32}), `calls.time`) AS `calls.time`,
  arrayMap(t -> t - toIntervalWeek({weeks:UInt32}), `calls.inserted`) AS `calls.inserted`)
FROM request_facts AS f
WHERE f.time >= {since:DateTime64(6)}
SETTINGS optimize_on_insert = 0
