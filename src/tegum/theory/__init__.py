"""Closed forms beside experiments: each derived where it stands, each tested."""
