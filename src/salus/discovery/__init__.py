"""Drug discovery: endpoint prediction with intervals, similarity search, safety signals, generative design.

``signals`` needs numpy and scipy only; everything that reads a structure needs the extra ``discovery`` (RDKit).
"""
