"""Work on many patients, limited to what they released for research."""
