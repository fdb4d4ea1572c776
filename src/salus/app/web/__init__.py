"""What the web pages need of an open house."""
