"""What shortens a cold start. The package of each function imports this before anything else."""

import gc
import os

# Loading makes nearly 100,000 containers that all stay: to look for garbage among them at each 2,000
# new ones costs 40 ms of the start.
gc.set_threshold(150_000)
# pydantic would read the metadata of every installed distribution to find plugins; there are none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
