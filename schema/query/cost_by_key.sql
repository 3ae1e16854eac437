-- What calls of a window cost, by what prices are looked up by; `priced_calls` is the view `calls` or like it.
SELECT provider, model, service_tier, count() AS calls,
  sum(ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) AS tokens,
  ifNull(sum(cost_usd), 0) AS usd, countIf(billed AND cost_source = 'unpriced') AS unpriced_calls
FROM priced_calls
WHERE time >= {since:DateTime64(6)} AND time < {until:DateTime64(6)}
  AND ({project:String} = '' OR project = {project:String})
GROUP BY provider, model, service_tier
ORDER BY provider, model, service_tier
