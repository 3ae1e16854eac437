-- Calls of {requests:UInt64} requests over the {days:UInt32} days before {until:DateTime64(9)}: five task classes, a third of
-- which climb to a higher tier, one in fifty drawn eight times.
INSERT INTO call_facts (project, request_id, time, trace_id, span_id, stated_task, stated_tier, stated_attempt, strategy,
  provider, request_model, model, operation, environment, service_name, input_tokens, cache_read_tokens, output_tokens,
  told_thinking_tokens, duration_ns, time_to_first_chunk_ms, time_to_first_answer_ms, user_id, session_id, merged_spans)
SELECT 'default', lower(hex(sipHash128(r))),
  {until:DateTime64(9)} - toIntervalMillisecond(toUInt64({days:UInt32} * 86400000 * (r / {requests:UInt64})))
    + toIntervalMillisecond(4000 * a + s),
  lower(hex(sipHash128(r, 't'))), lower(hex(sipHash64(r, a, s))), ['chat', 'code', 'sql', 'summary', 'agent'][1 + r % 5],
  a + 1, a + 1, if(drawn > 1, 'best_of_n', 'greedy'), 'acme',
  ['acme-mini', 'acme-think-1', 'acme-think-2'][a + 1] AS called, called, 'chat', 'prod', 'shop', 500 + h % 4000, h % 400,
  800 + h % 6000 + thought, if(a = 0 AND h % 10 < 7, 0, h % 9000) AS thought, 1000000 * (500 + h % 30000), 200 + h % 900,
  if(thought > 0, 2000 + h % 20000, NULL), concat('u', toString(cityHash64(r) % 5000)), concat('s', toString(intDiv(r, 4))), 1
FROM (
  SELECT number AS r, if(cityHash64(number, 'd') % 50 = 0, 8, 1) AS drawn, arrayJoin(range(toUInt8(1 + (number % 3 = 0) + (number % 15 = 0)))) AS a,
    arrayJoin(range(toUInt8(drawn))) AS s, sipHash64(number, a, s) AS h
  FROM numbers({requests:UInt64})
)
SETTINGS optimize_on_insert = 0
