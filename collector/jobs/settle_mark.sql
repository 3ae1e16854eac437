INSERT INTO watermarks (job, settled_until, rows, duration_ms)
VALUES ('settle', {settled_until:DateTime64(6)}, {rows:UInt64}, {duration_ms:Float64})
