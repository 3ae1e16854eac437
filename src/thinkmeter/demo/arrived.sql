-- How much of the demo's history reports tell of: calls that have a price or need none, verdicts, labels, as far as the
-- requests that they belong to were made anew since.
WITH (SELECT argMax(settled_until, recorded) FROM request_progress) AS made_until
SELECT
  least(
    (SELECT countIf(cost_source != 'unpriced' OR NOT billed) FROM calls
      WHERE startsWith(request_id, {prefix:String}) AND time < {until:DateTime64(6)}),
    (SELECT sum(arrayCount(t -> t < {until:DateTime64(6)}, calls.time)) FROM request_facts FINAL
      WHERE startsWith(request_id, {prefix:String}))) AS calls,
  (SELECT count() FROM verdicts FINAL
    WHERE startsWith(request_id, {prefix:String}) AND time < {until:DateTime64(6)} AND inserted < made_until) AS verdicts,
  (SELECT count() FROM labels FINAL
    WHERE startsWith(request_id, {prefix:String}) AND time <= {until:DateTime64(6)} AND inserted < made_until) AS labels
