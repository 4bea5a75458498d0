"""The laptop stack: the real template on an emulator, workers as processes, one command each."""
