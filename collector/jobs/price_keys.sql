-- Keys under which calls may be priced, as far as they were received from `since` on.
SELECT provider, model, service_tier
FROM price_keys
WHERE last_received >= {since:DateTime64(9)}
