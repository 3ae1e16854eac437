-- name: overthinking
-- title: Overthinking
-- unit: share of thinking tokens past the knee
-- direction: lower
-- why: From which length on thinking brings no more correct answers. What lies past it is spent for nothing, as far as
--   length alone can tell.
-- source: attempts
-- by: task, user, session, tier, model, provider, strategy, effort, day, hour, environment, service, attr
-- note: Hard tasks think longer, so accuracy falls with length even where thinking helps; where requests have attempts
--   with and without thinking, the comparison within them is free of that.
SELECT key, task, settled, weight, length_bin, is_correct, label_probability, was_correct, pair_probability,
  count() AS attempts, sum(ifNull(thinking_tokens, 0)) AS thinking, sum(cost_thinking_usd) AS thinking_usd,
  countIf(is_final) AS requests, countIf(is_final AND whole_output >= 0) AS counted_requests,
  sumIf(whole_output, is_final AND whole_output >= 0) AS request_tokens,
  sum(budgeted) AS budgeted_calls, sum(used_share) AS budget_use, sum(at_cap) AS capped_calls
FROM (
  SELECT a.*,
    -- -1: unknown; 0: none; k: [2^(k-1), 2^k) tokens
    toInt16(multiIf(a.thinking_tokens IS NULL, -1, a.thinking_tokens = 0, 0,
      length(trim(LEADING '0' FROM bin(toUInt64(assumeNotNull(a.thinking_tokens))))))) AS length_bin,
    toInt8(ifNull(a.correct, -1)) AS is_correct,
    if(a.label_sampling_probability > 0, a.label_sampling_probability, 1) AS label_probability,
    -- of a request's labelled attempts the last that thought is compared with the first that did not; -1: there is none
    ifNull(a.correct IS NOT NULL AND a.thinking_tokens > 0, 0) AS thought,
    argMinIf((toInt8(ifNull(a.correct, 0)), label_probability), a.attempt, a.correct IS NOT NULL AND a.thinking_tokens = 0) OVER whole AS first_without,
    countIf(a.correct IS NOT NULL AND a.thinking_tokens = 0) OVER whole AS without,
    maxIf(a.attempt, thought) OVER whole AS last_thought,
    toInt8(if(thought AND without > 0 AND a.attempt = last_thought, first_without.1, -1)) AS was_correct,
    if(was_correct >= 0, least(label_probability, first_without.2), 1) AS pair_probability,
    if(countIf(a.output_tokens IS NULL) OVER whole > 0, -1, ifNull(sum(a.output_tokens) OVER whole, -1)) AS whole_output,
    ifNull(b.budgeted, 0) AS budgeted, ifNull(b.used_share, 0) AS used_share, ifNull(b.at_cap, 0) AS at_cap
  FROM population AS a
  LEFT JOIN (
    SELECT project, request_id, attempt, count() AS budgeted, sum(thinking_tokens / budget_tokens) AS used_share,
      -- a model stops at its budget or just before it
      countIf(thinking_tokens >= 0.95 * budget_tokens) AS at_cap
    FROM numbered_calls
    WHERE budget_tokens > 0 AND role = 'answer' AND thinking_tokens IS NOT NULL
      AND (project, request_id) IN (SELECT project, request_id FROM population)
    GROUP BY project, request_id, attempt
  ) AS b ON b.project = a.project AND b.request_id = a.request_id AND b.attempt = a.attempt
  WINDOW whole AS (PARTITION BY a.project, a.request_id)
)
GROUP BY key, task, settled, weight, length_bin, is_correct, label_probability, was_correct,
  pair_probability
