-- How the events with which alerts began were told to a channel.
SELECT event, argMax(message, attempt) AS newest_message, argMax(members, attempt) AS newest_members,
  argMax(a.state, (attempt, a.state != 'sending')) AS newest_state
FROM alert_attempts AS a
WHERE channel = {channel:String} AND event IN {events:Array(String)}
GROUP BY event
