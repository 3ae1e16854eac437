INSERT INTO rollup_changes SELECT arrayJoin({quarters:Array(DateTime('UTC'))}), now64(6)
