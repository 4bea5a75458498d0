"""The built functions in Lambda's own containers: needs a Docker engine and the image."""
