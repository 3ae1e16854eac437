-- How many pieces a run has; 0 where it is not known any more.
SELECT ifNull(maxOrNull(piece) + 1, 0) AS pieces FROM changed_requests WHERE run = {run:UInt64}
