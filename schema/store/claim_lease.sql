-- Dropped by the store where the term was claimed before.
INSERT INTO leases (name, term, owner, until)
SELECT {name:String}, {term:UInt64}, {owner:String}, now64(6) + toIntervalMillisecond({length_ms:UInt64})
