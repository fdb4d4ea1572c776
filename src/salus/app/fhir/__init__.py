"""The FHIR API on an open house: reads, searches, writes, exports."""
