"""The network side: FHIR REST, SMART sign-in and CDS Hooks over HTTP. It calls ``app`` and decides nothing."""
