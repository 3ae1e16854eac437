-- How current the readers' tables are: calls are settled, then the requests made anew that they, their verdicts and
-- labels belong to.
WITH
  (SELECT max(settled_until) FROM watermarks WHERE job = 'settle') AS calls_until,
  -- of what came since the mark before the last one, something had come when that was set: the newest is among it
  (SELECT max(settled_until) FROM watermarks WHERE job = 'settle' AND settled_until < calls_until) AS calls_before,
  (SELECT if(count() = 0, now64(6), argMax(settled_until, recorded)) FROM request_progress) AS requests_until,
  least(calls_until, requests_until) AS until,
  (SELECT (count(), minOrNull(inserted)) FROM spans WHERE inserted >= until) AS waiting,
  -- what was settled after requests were last made anew, though it came in before
  (SELECT minOrNull(inserted) FROM call_facts WHERE version >= requests_until) AS waiting_call,
  -- a verdict or label need not come with a span
  (SELECT minOrNull(inserted) FROM verdicts WHERE inserted >= requests_until) AS waiting_verdict,
  (SELECT minOrNull(inserted) FROM labels WHERE inserted >= requests_until) AS waiting_label
SELECT now64(6, 'UTC') AS as_of,
  (SELECT if(count() = 0, NULL, max(inserted)) FROM spans WHERE inserted >= calls_before) AS newest_inserted,
  -- not the watermark itself: where nothing came for long, it stands still and nothing is behind
  least(as_of, ifNull(waiting.2, as_of), ifNull(waiting_call, as_of), ifNull(waiting_verdict, as_of),
    ifNull(waiting_label, as_of)) AS shown_until,
  waiting.1 AS waiting_spans
