"""The store of what is known, and the chart: the read-only view of one patient that methods get."""
