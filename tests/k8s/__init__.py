"""Workers on a real cluster: `make test-k8s` (KUBECONFIG; docs/kubernetes.md says what it needs)."""
