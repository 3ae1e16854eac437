INSERT INTO request_progress (rules, settled_until, whole_from, rebuild, pieces_done, rows, duration_ms)
VALUES ({rules:UInt64}, {settled_until:DateTime64(6)}, {whole_from:DateTime64(6)}, {rebuild:UInt64}, {pieces_done:UInt32},
  {rows:UInt64}, {duration_ms:Float64})
