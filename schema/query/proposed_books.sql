-- The view `price_books` with other books in place of those of the same keys.
SELECT provider, model, service_tier, rates FROM price_books
WHERE (provider, model, service_tier) NOT IN (SELECT p.1, p.2, p.3 FROM proposed_rates)
UNION ALL
SELECT p.1 AS provider, p.2 AS model, p.3 AS service_tier,
  arrayMap(r -> CAST((fromUnixTimestamp64Milli(r.1, 'UTC'), fromUnixTimestamp64Milli(r.2, 'UTC'), r.3, r.4, r.5, r.6,
    r.7, r.8, r.9, r.10, r.11),
    'Tuple(valid_from DateTime64(3, \'UTC\'), valid_until DateTime64(3, \'UTC\'), daily_from_s UInt32,
      daily_until_s UInt32, above_input_tokens Int64, input Nullable(Float64), cache_read Nullable(Float64),
      cache_write Nullable(Float64), cache_write_1h Nullable(Float64), thinking Nullable(Float64),
      answer Nullable(Float64))'), p.4) AS rates
FROM proposed_rates
