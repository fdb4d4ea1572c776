"""Trials: group-sequential design and sample size, criteria as data matched on a chart, protocol and lock sealed."""
