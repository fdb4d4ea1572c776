"""The statistics of a group-sequential trial: boundaries, power, expected size, sample sizes."""
