-- What a reader needs to know beforehand: the time; which rules there are; by which rules and from when on `request_facts` is
-- whole, and about how much of it there is; and which prices there are.
SELECT now64(6, 'UTC') AS as_of,
  (SELECT (count(), groupBitXor(cityHash64(toString(tuple(*))))) FROM rules) AS rules,
  (SELECT argMax((rules, whole_from), recorded) FROM request_progress) AS progress,
  -- told by what the store knows of its parts, without reading them
  (SELECT (count(), min(time), max(time)) FROM request_facts) AS facts,
  (SELECT (count(), groupBitXor(cityHash64(toString(tuple(*))))) FROM prices) AS prices
