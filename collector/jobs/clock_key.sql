-- What tells the rows of a table apart, of which the newest version holds.
SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = {table:String}
