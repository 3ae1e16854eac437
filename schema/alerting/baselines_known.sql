-- Since when something may have come to requests from `begin` on that `request_facts` does not say yet, and whether it says
-- all else by the rules of now.
WITH (SELECT argMax((rules, settled_until, whole_from), recorded) FROM request_progress) AS progress
SELECT progress.2 AS since,
  progress.1 = (SELECT rules FROM request_rules) AND progress.3 <= fromUnixTimestamp({begin:UInt32}) AS whole
