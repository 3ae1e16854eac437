SELECT max(settled_until) AS reached FROM watermarks WHERE job = {job:String} HAVING count() > 0
