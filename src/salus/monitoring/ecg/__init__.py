"""The electrocardiogram: where the beats are, how far the signal can be trusted, and the rate that follows."""
