-- The request of the call that a span is; views work on whole requests.
SELECT DISTINCT project, request_id FROM call_facts FINAL
WHERE span_id = {span_id:String} AND ({project:String} = '' OR project = {project:String})
