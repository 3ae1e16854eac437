-- The newest of the versions that lie ahead, as versions of now; rows that say that something is gone are among them.
INSERT INTO {table:Identifier}
SELECT * REPLACE ({now:DateTime64(6)} AS version) FROM {table:Identifier}
WHERE version > {now:DateTime64(6)}
ORDER BY version DESC
LIMIT 1 BY sorting_key
