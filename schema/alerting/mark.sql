INSERT INTO watermarks (job, settled_until, rows, duration_ms)
VALUES ({job:String}, {reached:DateTime64(6, 'UTC')}, {rows:UInt64}, {duration_ms:Float64})
