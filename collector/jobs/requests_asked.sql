-- The requests of a run in pieces of one size, with the days on which lies what they are made of: those of the same days
-- together, so that a piece reads no others. As many pieces as are done side by side, or a multiple of that.
INSERT INTO changed_requests (run, piece, project, request_id, call_days, verdict_days, label_days)
WITH (SELECT count() FROM touched_requests WHERE run = {run:UInt64}) AS requests,
  intDiv(requests + {size:UInt32} - 1, {size:UInt32}) AS fewest,
  if(fewest > 1, intDiv(fewest + {at_once:UInt32} - 1, {at_once:UInt32}) * {at_once:UInt32}, 1) AS pieces
SELECT {run:UInt64}, intDiv(rowNumberInAllBlocks() * pieces, requests), project, request_id, of_calls, of_verdicts, of_labels
FROM (
  SELECT t.project AS project, t.request_id AS request_id, d.of_calls AS of_calls, d.of_verdicts AS of_verdicts,
    d.of_labels AS of_labels
  FROM (SELECT * FROM touched_requests WHERE run = {run:UInt64}) AS t
  LEFT JOIN (
    SELECT request, arraySort(groupUniqArrayIf(day, bitTest(kinds, 0))) AS of_calls,
      arraySort(groupUniqArrayIf(day, bitTest(kinds, 1))) AS of_verdicts,
      arraySort(groupUniqArrayIf(day, bitTest(kinds, 2))) AS of_labels
    FROM request_days
    WHERE request IN (SELECT cityHash64(toString(project), request_id) FROM touched_requests WHERE run = {run:UInt64})
    GROUP BY request
  ) AS d ON d.request = cityHash64(toString(t.project), t.request_id)
  ORDER BY of_calls, project, request_id
)
-- many requests lie everywhere among those of all days, which is not worth finding out
SETTINGS join_use_nulls = 0, use_index_for_in_with_subqueries_max_values = 100000
