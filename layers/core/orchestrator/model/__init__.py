"""The domain: names, numbers, states, items and wire formats. Pure: no I/O, no clock, no environment."""
