SELECT task, p95_factor, runaway_floor_tokens, thinking_cap_tokens, parent FROM policies
