"""The site in a browser, on a deployed stack with real workers: `make test-site`."""
