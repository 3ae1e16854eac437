-- How far the job has come, and what has come since; `until` as in settle_until. A request is touched by new versions of
-- its calls, by verdicts and labels, and by spans that name it, since verdicts and labels may be placed by them.
WITH (SELECT argMax((rules, settled_until, whole_from, rebuild, pieces_done), recorded) FROM request_progress) AS progress,
  (SELECT ifNull(minOrNull(now64(6) - toIntervalMicrosecond(toUInt64(elapsed * 1e6) + 100000)), now64(6))
    FROM system.processes WHERE query_kind = 'Insert') AS seen_until
SELECT seen_until AS until, now64(6) AS version, (SELECT rules FROM request_rules) AS rules, progress.1 AS made_by,
  progress.2 AS since, progress.3 AS whole_from, progress.4 AS rebuild, progress.5 AS pieces_done,
  (SELECT count() FROM call_facts WHERE version >= since)
    + (SELECT count() FROM verdicts WHERE inserted >= since) + (SELECT count() FROM labels WHERE inserted >= since)
    + (SELECT count() FROM spans WHERE inserted >= since AND span_class != 'inference' AND request_id != '') AS changes,
  -- of spans that are no matter of any request, too, it is said how far they were seen
  (SELECT max(settled_until) FROM watermarks WHERE job = 'settle') AS settled_until,
  -- whether any has to be looked up
  (SELECT count() FROM (SELECT 1 FROM verdicts WHERE unplaced LIMIT 1))
    + (SELECT count() FROM (SELECT 1 FROM labels WHERE unplaced LIMIT 1)) > 0 AS unplaced,
  (SELECT max(recorded) FROM request_progress) AS recorded
