-- Attempts, with what their whole request tells.
SELECT a.*,
  argMin(tuple(a.tier), a.attempt) OVER whole AS first_tier, first_tier.1 AS entry_tier,
  argMin(tuple(a.correct, a.label_sampling_probability), a.attempt) OVER whole AS first_label,
  first_label.1 AS first_correct, first_label.2 AS first_label_probability,
  minIf(a.tier, a.correct = 1) OVER whole AS lowest_right_tier,
  sum(a.cost_usd) OVER whole AS request_cost_usd, sum(a.cost_unknown_calls) OVER whole AS request_cost_unknown_calls,
  a.cost_usd * a.cost_usd AS cost_usd_squared, request_cost_usd * request_cost_usd AS request_cost_usd_squared,
  if(countIf(a.output_tokens IS NULL) OVER whole > 0, NULL, sum(a.output_tokens) OVER whole) AS request_output_tokens,
  -- of the labelled attempts the first that did not think, and the last that did; 0: there is none
  argMinIf(tuple(a.correct, a.label_sampling_probability), a.attempt, a.correct IS NOT NULL AND a.thinking_tokens = 0)
    OVER whole AS unthinking_label,
  unthinking_label.1 AS unthinking_correct, unthinking_label.2 AS unthinking_label_probability,
  maxIf(a.attempt, a.correct IS NOT NULL AND a.thinking_tokens > 0) OVER whole AS last_thinking_attempt,
  ifNull(b.budgeted, 0) AS own_budgeted_calls, ifNull(b.used_share, 0) AS own_budget_use, ifNull(b.at_cap, 0) AS own_capped_calls,
  b.mean_ratio AS own_reflection_ratio, b.thought AS own_reflecting_tokens
FROM attempts AS a
LEFT JOIN (
  SELECT project, request_id, attempt, countIf(budget_tokens > 0 AND thinking_tokens IS NOT NULL) AS budgeted,
    sumIf(thinking_tokens / budget_tokens, budget_tokens > 0) AS used_share,
    -- a model stops at its budget or just before it
    countIf(budget_tokens > 0 AND thinking_tokens >= 0.95 * budget_tokens) AS at_cap,
    -- an attempt of several calls reflects as they do on average; to a hundredth
    round(avg(reflection_ratio), 2) AS mean_ratio,
    if(countIf(reflection_ratio IS NOT NULL AND thinking_tokens IS NULL) > 0, NULL,
      sumIf(thinking_tokens, reflection_ratio IS NOT NULL)) AS thought
  FROM numbered_calls
  WHERE role = 'answer'
    AND (project, request_id) IN (SELECT project, request_id FROM call_facts WHERE budget_tokens > 0 OR reflection_ratio IS NOT NULL)
  GROUP BY project, request_id, attempt
) AS b ON b.project = a.project AND b.request_id = a.request_id AND b.attempt = a.attempt
WINDOW whole AS (PARTITION BY a.project, a.request_id)
