SELECT toDate(time, 'UTC') AS day, provider, model, count() AS calls,
  sum(ifNull(input_tokens, 0)) AS input, sum(ifNull(cache_read_tokens, 0)) AS cache_read,
  sum(ifNull(cache_write_tokens, 0)) AS cache_write, sum(ifNull(output_tokens, 0)) AS output,
  sum(ifNull(cost_usd, 0)) AS usd,
  countIf(input_tokens IS NULL OR output_tokens IS NULL) AS unknown_calls, countIf(cost_usd IS NULL) AS uncosted_calls,
  countIf(service_tier = 'batch') AS batch_calls, countIf(sampling_probability < 1) AS sampled_calls
FROM calls
WHERE time >= {since:DateTime64(9, 'UTC')} AND time < {until:DateTime64(9, 'UTC')}
  AND provider IN {providers:Array(String)} AND ({project:String} = '' OR project = {project:String})
GROUP BY day, provider, model
ORDER BY day, provider, model
