"""Packs at work: engines, sessions, generation, verdicts."""
