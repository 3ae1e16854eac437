-- Which of these answers (request, attempt, trace, span, response; '' and 0 where it is not said) there are no calls of.
SELECT said.1 AS request_id, said.2 AS attempt, said.4 AS span_id, said.5 AS response_id
FROM (SELECT arrayJoin({said_of:Array(Tuple(String, UInt32, String, String, String))}) AS said)
WHERE NOT multiIf(
  request_id != '', (request_id, greatest(attempt, 1)) IN (
    SELECT known.request_id, arrayJoin(range(1, toUInt32(max(known.attempt)) + 1)) FROM numbered_calls AS known
    WHERE known.project = {project:String} AND known.request_id IN {requests:Array(String)}
    GROUP BY known.request_id),
  response_id != '', response_id IN (
    SELECT facts.response_id FROM call_facts AS facts
    WHERE facts.project = {project:String} AND facts.response_id IN {responses:Array(String)}),
  (said.3, span_id) IN (
    SELECT one.trace_id, one.span_id FROM spans AS one
    WHERE one.project = {project:String} AND one.trace_id IN {traces:Array(String)}))
ORDER BY request_id, attempt, response_id, span_id
