"""Tests against moto and the emulator."""
