-- Calls of the traces that were touched, as they are now known.
INSERT INTO call_facts SELECT *, {version:DateTime64(6)} AS version, 0 AS is_deleted FROM fresh_calls
