-- Thinking of one day by user and by session: tokens of calls of role `answer`; a request has one user and one session,
-- whichever of its calls says so first. Unknown counts add nothing.
SELECT project, owner.1 AS kind, owner.2 AS name, sum(used) AS used_tokens
FROM (
  SELECT project, request_id,
    argMinIf(user_id, time, user_id != '') AS whole_user, argMinIf(session_id, time, session_id != '') AS whole_session,
    sumIf(ifNull(thinking_tokens, 0), role = 'answer' AND billed) AS used
  FROM counted_calls
  WHERE time >= {day_start:DateTime64(6, 'UTC')} AND time < {day_end:DateTime64(6, 'UTC')}
  GROUP BY project, request_id
)
ARRAY JOIN arrayFilter(o -> o.2 != '', [('user', whole_user), ('session', whole_session)]) AS owner
GROUP BY project, kind, name
HAVING used_tokens > 0
