"""thinkmeter in one process with other instrumentations, for real: no call is counted twice."""
