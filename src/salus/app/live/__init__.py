"""Live intake: HL7 v2 messages and readings of devices as they arrive, and the alerts that readings raise."""
