-- Quantiles of thinking of each group of `cells`, rows as of `ttr`; `weights` > 1: requests weigh differently, and have
-- quantiles of another kind.
SELECT key, sum(requests) AS n, uniqExact(weight) AS weights, sum(requests * weight * tokens) / sum(requests * weight) AS mean,
  quantilesExactWeightedInterpolated(0.5, 0.95, 0.99)(tokens, requests) AS quantiles
FROM cells
WHERE settled AND tokens >= 0
GROUP BY key
