"""Toy models of superposition: the model, the data, the reference, the fast engine."""
