"""Who may see what, and the proof of what was seen: identities, consent, policies, the gate, the vault, the log."""
