-- The newest month with calls before then; no row where there is none.
SELECT toStartOfMonth(toDateTime64(max(time), 0, 'UTC')) AS month FROM call_facts WHERE time < {before:DateTime64(6)} HAVING count() > 0
