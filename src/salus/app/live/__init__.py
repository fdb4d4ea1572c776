"""What listens: messages and readings as they arrive."""
