"""The page of each diagnostic, by its code."""
