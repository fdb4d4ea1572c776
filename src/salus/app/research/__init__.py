"""Many patients, as far as they released their records for research."""
