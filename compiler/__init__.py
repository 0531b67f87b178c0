"""Checked rules to a byte machine, and the machine to a pack."""
