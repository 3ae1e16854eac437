SELECT now64(6) AS version
