"""What a code, a name, a unit and a dose text mean. The only place that names codes."""
