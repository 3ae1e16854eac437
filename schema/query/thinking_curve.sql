-- Quantiles of thinking of each group of `cells`, rows as of `ttr` with arrays of `tokens` and of `requests` beside them;
-- `weights` > 1: requests weigh differently, and have quantiles of another kind.
SELECT key, sum(known) AS n, uniqExact(weight) AS weights, sum(weight * arrayDotProduct(lengths, counts)) / sum(weight * known) AS mean,
  quantilesExactWeightedInterpolatedArray(0.5, 0.95, 0.99)(lengths, counts) AS quantiles
FROM (
  -- -1, unknown, stands first
  SELECT key, weight, if(tokens[1] < 0, arrayPopFront(tokens), tokens) AS lengths,
    if(tokens[1] < 0, arrayPopFront(requests), requests) AS counts, arraySum(counts) AS known
  FROM cells WHERE settled
)
WHERE known > 0
GROUP BY key
