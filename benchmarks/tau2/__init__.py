"""The worlds of tau2-bench beside the package's own orchestrator and grading: same results, endings, rewards."""
