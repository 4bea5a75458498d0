"""Measures, run by `make bench`; the machine's floor is printed beside each figure."""
