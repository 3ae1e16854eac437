-- All requests with a call in a stretch of time.
INSERT INTO touched_requests (run, project, request_id)
SELECT {run:UInt64}, project, request_id FROM call_facts
WHERE time >= {since:DateTime64(6)} AND time < {until:DateTime64(6)}
GROUP BY project, request_id
