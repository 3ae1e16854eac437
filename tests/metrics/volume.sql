-- Calls of {requests:UInt64} requests, every third of which climbs to tier 2, over {days:UInt32} days before UNTIL.
INSERT INTO call_facts (project, request_id, time, trace_id, span_id, stated_task, stated_tier, stated_attempt, provider,
  request_model, model, operation, input_tokens, output_tokens, told_thinking_tokens, duration_ns, user_id, attributes)
SELECT 'default', lower(hex(sipHash128(r))),
  {until:DateTime64(9)} - toIntervalSecond(toUInt32({days:UInt32} * 86400 * (r / {requests:UInt64}))) + toIntervalSecond(a),
  lower(hex(sipHash128(r, 't'))), lower(hex(sipHash64(r, a))), ['sql', 'code'][1 + r % 2], a + 1, a + 1, 'acme',
  'acme-think-1', 'acme-think-1', 'chat', 500 + r % 1000, 4000 + r % 500, if(a = 0, 0, sipHash64(r) % 4000), 1000000000,
  concat('u', toString(r % 50)), map('gen_ai.prompt.name', concat('p', toString(r % 20)))
FROM (SELECT number AS r, arrayJoin(range(1 + (number % 3 = 0))) AS a FROM numbers({requests:UInt64}))
