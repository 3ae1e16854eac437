-- As of when a piece is made, and how many requests it has.
SELECT now64(6) AS version,
  (SELECT count() FROM changed_requests WHERE run = {run:UInt64} AND piece = {piece:UInt32}) AS requests
