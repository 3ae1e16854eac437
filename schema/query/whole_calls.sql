-- Calls, with the user and session of their whole request, whichever of its calls says so.
SELECT c.*, argMinIf(c.user_id, c.time, c.user_id != '') OVER whole AS request_user,
  argMinIf(c.session_id, c.time, c.session_id != '') OVER whole AS request_session
FROM calls AS c
WINDOW whole AS (PARTITION BY c.project, c.request_id)
