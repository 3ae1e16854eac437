-- When the newest calls since then were settled, and how many rows that are; no row where there are none.
SELECT max(version) AS newest, count() AS settled FROM call_facts
WHERE version >= {since:DateTime64(6, 'UTC')}
HAVING settled > 0
