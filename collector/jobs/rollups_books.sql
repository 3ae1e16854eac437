-- The books `all_keys` of a stretch from `first_ns` to `last_ns` as one number, of `prices`, the row of `price_hashes`: their
-- rates of that time, of `fixed` ones with what they say. As in the view `rollup_coverage`.
cityHash64('by rate', arrayMap(key -> arrayMap(rate -> (if(rate.1 <= first_ns, 0, rate.1), if(rate.2 > last_ns, 0, rate.2),
    if(has(fixed, key), rate.4, rate.3)),
  arrayFilter(rate -> rate.1 <= last_ns AND rate.2 > first_ns, prices.2[indexOf(prices.1, key)])), all_keys))
