"""From the world towards the record: recognise, read, attribute. Returns resources, blobs, provenance and losses."""
