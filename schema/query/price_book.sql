-- The newest price book of one provider, model and service tier.
SELECT valid_from, valid_until, daily_from_s, daily_until_s, above_input_tokens, input_per_mtok_usd,
  cache_read_per_mtok_usd, cache_write_per_mtok_usd, cache_write_1h_per_mtok_usd, thinking_per_mtok_usd,
  answer_per_mtok_usd, source, recorded
FROM prices
WHERE provider = {provider:String} AND model = {model:String} AND service_tier = {service_tier:String}
  AND recorded = (SELECT max(recorded) FROM prices
    WHERE provider = {provider:String} AND model = {model:String} AND service_tier = {service_tier:String})
ORDER BY valid_from, daily_from_s, above_input_tokens
