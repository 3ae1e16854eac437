-- How many verdicts and labels of a piece have to be looked up.
SELECT count() FROM near_evaluations WHERE run = {run:UInt64} AND piece = {piece:UInt32}
