-- When rules of a kind were last changed, by the clock that held then; 1970 before the first time.
SELECT max(revision) FROM rules WHERE kind = {kind:String}
