"""Faults that a local stack takes on request: `make up FAULTS="kill_worker=0.05 throttle=0.1"`.

Everything is injected from outside the product: `sitecustomize` in `hook/` changes botocore and urllib3
in the processes of functions and workers, a supervisor around each worker starts it again when it dies.
"""
