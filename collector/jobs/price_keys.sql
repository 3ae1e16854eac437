-- Keys under which calls may be priced: those of spans that were inserted from `since` on.
SELECT DISTINCT provider, if(response_model != '', response_model, request_model) AS model,
  if(lower(service_tier) IN ('', 'default', 'auto', 'standard', 'standard_only', 'on_demand'), 'standard',
    lower(service_tier)) AS billed_tier
FROM spans
WHERE span_class = 'inference' AND inserted >= {since:DateTime64(6)}
