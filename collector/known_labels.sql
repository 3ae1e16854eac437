-- Labels of these answers (request, span, response), the oldest first.
SELECT request_id, attempt, trace_id, span_id, response_id, source, labeler, time, correct
FROM labels FINAL
WHERE project = {project:String}
  AND (request_id, span_id, response_id) IN {said_of:Array(Tuple(String, String, String))}
ORDER BY time
