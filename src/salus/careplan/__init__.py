"""Proposals become one plan: guidelines, interactions, contraindications, conflicts, ranking; and its three outputs."""
