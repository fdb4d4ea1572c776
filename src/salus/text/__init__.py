"""What notes say, and about whom, when and how surely: mentions with their place in the text."""
