-- A call whose tier is unknown (an embedding, a model that no tier names) belongs to the attempt around it, and the
-- tier after it is held against the last one that is known.
CREATE OR REPLACE VIEW numbered_calls AS
SELECT *,
  toUInt32(ifNull(stated_attempt, sum(tier_changed) OVER (PARTITION BY project, request_id ORDER BY time, span_id) + 1)) AS attempt,
  max(own_task) OVER (PARTITION BY project, request_id) AS request_task
FROM (
  -- verifiers and routers begin no attempt: they take the number that holds when they are called
  SELECT *, role = 'answer' AND ifNull(tier != anyLast(tier) OVER (
    PARTITION BY project, request_id, role = 'answer' ORDER BY time, span_id
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS tier_changed
  FROM counted_calls
);
