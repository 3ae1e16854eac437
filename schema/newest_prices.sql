-- When price books were last recorded, by the clock that held then; 1970 before the first time.
SELECT max(recorded) FROM prices
