"""What a user might take instead, on the same emulator in the same run: Celery, and a plain design."""
