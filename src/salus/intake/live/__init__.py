"""Sources that send by themselves: HL7 v2 over MLLP, readings over MQTT or the built-in queue."""
