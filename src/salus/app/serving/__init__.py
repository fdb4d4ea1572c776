"""What the processes of a server share and bring up to date."""
