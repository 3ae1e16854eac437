-- Attempts that several have labelled: what each said last.
WITH said AS (
  SELECT project, request_id, attempt AS stated, if(labeler != '', labeler, source) AS who, time, outcome
  FROM evaluations
  WHERE NOT is_verdict AND outcome IS NOT NULL AND project = {project:String}
    AND time >= {since:DateTime64(6)} AND time < {until:DateTime64(6)}
),
shared AS (SELECT request_id FROM said GROUP BY request_id HAVING uniqExact(who) > 1)
SELECT s.request_id AS request_id, if(s.stated = 0, ifNull(f.final_attempt, 0), s.stated) AS attempt, s.who AS labeler,
  argMax(s.outcome, s.time) AS correct
FROM said AS s
-- a label without an attempt speaks of the final one
LEFT JOIN (
  SELECT request_id, max(attempt) AS final_attempt FROM numbered_calls
  WHERE role = 'answer' AND project = {project:String} AND request_id IN (SELECT request_id FROM shared)
  GROUP BY request_id
) AS f ON f.request_id = s.request_id
WHERE s.request_id IN (SELECT request_id FROM shared)
GROUP BY request_id, attempt, labeler
ORDER BY request_id, attempt, labeler
