"""Price rows as tables: what holds, why, how it stands beside other lists, how it changed."""
