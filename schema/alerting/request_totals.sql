-- What requests did and cost so far; thinking and cost are those of answering calls, known ones.
SELECT project, request_id, argMax(model, ifNull(thinking_tokens, 0)) AS main_model,
  fromUnixTimestamp64Micro(max(toUnixTimestamp64Micro(toDateTime64(time, 6)) + toInt64(duration_ms * 1e3)), 'UTC') AS ended,
  count() AS all_calls, countIf(role = 'answer' AND billed AND thinking_tokens IS NULL) AS unknown_calls,
  countIf(role = 'answer' AND billed AND cost_usd IS NULL) AS uncosted_calls,
  ifNull(sumIf(cost_usd, role = 'answer'), 0) AS known_usd,
  ifNull(sumIf(thinking_tokens, role = 'answer'), 0) AS known_tokens
FROM calls
WHERE (project, request_id) IN {keys:Array(Tuple(String, String))}
GROUP BY project, request_id
