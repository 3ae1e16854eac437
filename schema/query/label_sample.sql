-- Attempts without a label, ordered by chance within their stratum: task class, verdict, third of its scores.
SELECT project, request_id, attempt, task, verdict, band, stratum_size, verifier, verdict_score AS score
FROM (
  SELECT *, count() OVER stratum AS stratum_size,
    row_number() OVER (PARTITION BY task, verdict, band ORDER BY sipHash64({seed:UInt64}, project, request_id, attempt)) AS place
  FROM (
    SELECT *, multiIf(isNull(verdict_passed), 'none', assumeNotNull(verdict_passed), 'pass', 'fail') AS verdict,
      isNull(verdict_score) AS unscored,
      -- 0: no score
      if(unscored, 0, 1 + intDiv(3 * (row_number() OVER (PARTITION BY task, verdict, unscored ORDER BY verdict_score, request_id, attempt) - 1),
        count() OVER (PARTITION BY task, verdict, unscored))) AS band
    FROM population
    WHERE settled AND correct IS NULL
  )
  WINDOW stratum AS (PARTITION BY task, verdict, band)
)
WHERE place <= {size:UInt64}
ORDER BY task, verdict, band, place
