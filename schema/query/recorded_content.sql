-- What was sent and answered, where content is recorded: of each attempt's last answering call that says it.
SELECT request_id, attempt,
  argMaxIf(attributes['gen_ai.input.messages'], time, attributes['gen_ai.input.messages'] != '') AS question,
  argMaxIf(attributes['gen_ai.output.messages'], time, attributes['gen_ai.output.messages'] != '') AS answer
FROM calls
WHERE project = {project:String} AND role = 'answer' AND request_id IN {requests:Array(String)}
GROUP BY request_id, attempt
