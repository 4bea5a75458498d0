"""The use cases. Pure decisions over the ports of `ports.py`: no AWS, no clock, no environment."""
