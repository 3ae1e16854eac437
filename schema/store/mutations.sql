SELECT mutation_id, is_done, parts_to_do, length(parts_in_progress_names), latest_fail_error_code_name
FROM system.mutations
WHERE database = currentDatabase() AND table = {table:String}
