-- What the view `calls` selects, with every table under its full name.
SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = 'calls'
