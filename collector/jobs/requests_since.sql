-- All requests with a call in a stretch of time.
INSERT INTO changed_requests (run, piece, project, request_id)
SELECT {run:UInt64}, intDiv(rowNumberInAllBlocks(), {size:UInt32}), project, request_id
FROM (
  SELECT DISTINCT project, request_id FROM call_facts
  WHERE time >= {since:DateTime64(6)} AND time < {until:DateTime64(6)}
  ORDER BY project, request_id
)
