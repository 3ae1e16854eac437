-- How much of the demo's history can be queried: calls that have a price or need none, verdicts, labels.
SELECT
  (SELECT countIf(cost_source != 'unpriced' OR NOT billed) FROM calls
    WHERE startsWith(request_id, {prefix:String}) AND time < {until:DateTime64(6)}) AS calls,
  (SELECT count() FROM verdicts FINAL
    WHERE startsWith(request_id, {prefix:String}) AND time < {until:DateTime64(6)}) AS verdicts,
  (SELECT count() FROM labels FINAL
    WHERE startsWith(request_id, {prefix:String}) AND time <= {until:DateTime64(6)}) AS labels
