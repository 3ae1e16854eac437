-- How current the readers' tables are: calls are settled, then the requests made anew that they belong to.
WITH
  (SELECT max(settled_until) FROM watermarks WHERE job = 'settle') AS calls_until,
  (SELECT if(count() = 0, now64(6), argMax(settled_until, recorded)) FROM request_progress) AS requests_until,
  (SELECT (count(), min(inserted)) FROM spans WHERE inserted >= least(calls_until, requests_until)) AS waiting
SELECT now64(6, 'UTC') AS as_of,
  (SELECT if(count() = 0, NULL, max(inserted)) FROM spans) AS newest_inserted,
  -- not the watermark itself: where nothing came for long, it stands still and nothing is behind
  if(waiting.1 > 0, waiting.2, as_of) AS shown_until,
  waiting.1 AS waiting_spans
