-- Up to when calls were judged by a job; null where it never ran.
SELECT if(count() = 0, NULL, max(settled_until)) FROM watermarks WHERE job = {job:String}
