-- Spans of the requests {first:UInt64} to {last:UInt64} of {requests:UInt64} that begin within the day before
-- {until:DateTime64(9)}: five task classes, a third of which climb to a higher tier, one in fifty drawn eight times.
INSERT INTO spans (project, received, trace_id, span_id, name, kind, time, duration_ns, scope_name, service_name, environment,
  dialect, span_class, operation, provider, request_model, response_model, response_id, request_id, task, tier, attempt,
  strategy, input_tokens, cache_read_tokens, output_tokens, thinking_tokens, thinking_source, time_to_first_chunk_ms,
  time_to_first_answer_ms, user_id, session_id)
SELECT 'default', begun + toIntervalNanosecond(lasted), lower(hex(sipHash128(r, 't'))), lower(hex(sipHash64(r, a, s))), 'chat',
  'client',
  {until:DateTime64(9)} - toIntervalMillisecond(toUInt64(86400000 * ((r + 1) / {requests:UInt64})))
    + toIntervalMillisecond(4000 * a + s) AS begun,
  toUInt64(1000000) * (500 + h % 30000) AS lasted, 'thinkmeter', 'shop', 'prod', 'thinkmeter', 'inference', 'chat', 'acme',
  ['acme-mini', 'acme-think-1', 'acme-think-2'][a + 1] AS called, called, lower(hex(sipHash64(r, a, s, 'r'))),
  lower(hex(sipHash128(r))), ['chat', 'code', 'sql', 'summary', 'agent'][1 + r % 5], a + 1, a + 1,
  if(drawn > 1, 'best_of_n', 'greedy'), 500 + h % 4000, h % 400, 800 + h % 6000 + thought,
  if(a = 0 AND h % 10 < 7, 0, h % 9000) AS thought, 'provider', 200 + h % 900, if(thought > 0, 2000 + h % 20000, NULL),
  concat('u', toString(cityHash64(r) % 5000)), concat('s', toString(intDiv(r, 4)))
FROM (
  SELECT number AS r, if(cityHash64(number, 'd') % 50 = 0, 8, 1) AS drawn,
    arrayJoin(range(toUInt8(1 + (number % 3 = 0) + (number % 15 = 0)))) AS a,
    arrayJoin(range(toUInt8(drawn))) AS s, sipHash64(number, a, s) AS h
  FROM numbers({first:UInt64}, {last:UInt64} - {first:UInt64})
)
