-- Amounts of the calls of each row `f` of `request_facts`, an array of each kind, NaN where it is not known: as in the
-- view `calls`, which a test holds against them. `p` is the row of `price_arrays`.
SELECT
  -- the place of the rate that holds, 0 for none: the highest bracket below the call among the rates of its instant
  arrayMap((k, t, i) -> if(transform(k, p.1, p.4, toUInt32(0)) > 0, transform(k, p.1, p.4, toUInt32(0)),
      toUInt32(arrayLast(place -> t >= p.5[place] AND t < p.6[place] AND ifNull(i, 0) > p.9[place]
          AND if(p.7[place] <= p.8[place],
            toUInt32(t) % 86400 >= p.7[place] AND toUInt32(t) % 86400 < p.8[place],
            toUInt32(t) % 86400 >= p.7[place] OR toUInt32(t) % 86400 < p.8[place]),
        range(transform(k, p.1, p.2, toUInt32(0)) + 2,
          transform(k, p.1, p.2, toUInt32(0)) + 2 + transform(k, p.1, p.3, toUInt32(0)))))),
    f.calls.price_key, f.calls.time, f.calls.input_tokens) AS found_rates,
  arrayMap(place -> if(place = 0, 1, place), found_rates) AS rates,
  arrayMap((r, i, cr, cw) -> greatest(ifNull(i, 0) - ifNull(cr, 0) - ifNull(cw, 0), 0) * p.10[r] / 1e6,
    rates, f.calls.input_tokens, f.calls.cache_read_tokens, f.calls.cache_write_tokens) AS list_input_usd,
  arrayMap((r, i, cr, cw, cl) -> if(i IS NULL, nan,
      (if(ifNull(cr, 0) = 0, 0, assumeNotNull(cr) * p.11[r])
      + if(ifNull(cw, 0) = 0, 0, (assumeNotNull(cw) - least(ifNull(cl, 0), assumeNotNull(cw))) * p.12[r])
      + if(least(ifNull(cl, 0), ifNull(cw, 0)) = 0, 0, least(ifNull(cl, 0), ifNull(cw, 0)) * p.13[r])) / 1e6),
    rates, f.calls.input_tokens, f.calls.cache_read_tokens, f.calls.cache_write_tokens,
    f.calls.cache_write_1h_tokens) AS list_cache_usd,
  arrayMap((r, t) -> if(t IS NULL, nan, assumeNotNull(t) * p.14[r] / 1e6),
    rates, f.calls.thinking_tokens) AS list_thinking_usd,
  arrayMap((r, t, o) -> if(t IS NULL OR o IS NULL, nan, (assumeNotNull(o) - assumeNotNull(t)) * p.15[r] / 1e6),
    rates, f.calls.thinking_tokens, f.calls.output_tokens) AS list_answer_usd,
  -- thinking unknown: the output has a price only where thinking and answer cost the same
  arrayMap((r, t, o) -> multiIf(o IS NULL, nan,
      t IS NULL, if(p.14[r] = p.15[r], assumeNotNull(o) * p.15[r] / 1e6, nan),
      (assumeNotNull(t) * p.14[r] + (assumeNotNull(o) - assumeNotNull(t)) * p.15[r]) / 1e6),
    rates, f.calls.thinking_tokens, f.calls.output_tokens) AS list_output_usd,
  arrayMap((i, c, o) -> i + c + o, list_input_usd, list_cache_usd, list_output_usd) AS list_usd,
  -- an amount that the provider reports holds; the parts are scaled to it
  arrayMap((own, x) -> if(own IS NULL, 1, if(x > 0, assumeNotNull(own) / x, nan)),
    f.calls.reported_cost_usd, list_usd) AS scales,
  arrayMap((x, s) -> x * s, list_input_usd, scales) AS input_usd,
  arrayMap((x, s) -> x * s, list_cache_usd, scales) AS cache_usd,
  arrayMap((x, s) -> x * s, list_thinking_usd, scales) AS thinking_usd,
  arrayMap((x, s) -> x * s, list_answer_usd, scales) AS answer_usd,
  arrayMap((x, s) -> x * s, list_output_usd, scales) AS output_usd,
  arrayMap((own, x) -> ifNull(own, x), f.calls.reported_cost_usd, list_usd) AS usd,
  -- what a known cost has no parts for: output whose thinking is unknown, an amount without rates
  arrayMap((x, i, c, a) -> if(isNaN(a), x - if(isNaN(i), 0, i) - if(isNaN(c), 0, c), 0),
    usd, input_usd, cache_usd, answer_usd) AS unsplit_usd,
  arrayMap((b, own, x, i, o) -> b AND own IS NULL AND isNaN(x) AND i IS NOT NULL AND o IS NOT NULL,
    f.calls.billed, f.calls.reported_cost_usd, list_usd, f.calls.input_tokens, f.calls.output_tokens) AS unpriced,
  -- what amounts are linear in, of one call in the order of the buckets of a rate, in millions; none where another amount holds
  arrayMap(r -> p.16[r], rates) AS rate_numbers,
  arrayMap((own, i, cr, cw, cl, t, o) -> if(own IS NULL, arrayMap(n -> n / 1e6, [
      greatest(ifNull(i, 0) - ifNull(cr, 0) - ifNull(cw, 0), 0), ifNull(cr, 0),
      ifNull(cw, 0) - least(ifNull(cl, 0), ifNull(cw, 0)), least(ifNull(cl, 0), ifNull(cw, 0)),
      ifNull(t, 0), ifNull(o, 0) - ifNull(t, 0)]), [0., 0., 0., 0., 0., 0.]),
    f.calls.reported_cost_usd, f.calls.input_tokens, f.calls.cache_read_tokens, f.calls.cache_write_tokens,
    f.calls.cache_write_1h_tokens, f.calls.thinking_tokens, f.calls.output_tokens) AS buckets
FROM request_facts AS f FINAL
