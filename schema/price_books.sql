-- The newest price book of every key, one row a rate, in the order in which `schema.prices` makes it.
SELECT provider, model, service_tier, valid_from, valid_until, daily_from_s, daily_until_s, above_input_tokens,
  input_per_mtok_usd, cache_read_per_mtok_usd, cache_write_per_mtok_usd, cache_write_1h_per_mtok_usd,
  thinking_per_mtok_usd, answer_per_mtok_usd, source
FROM prices
WHERE (provider, model, service_tier, recorded) IN (
  SELECT provider, model, service_tier, max(recorded) FROM prices GROUP BY provider, model, service_tier)
ORDER BY valid_from, daily_from_s, above_input_tokens
