"""One sample and what its answers cost, attempt by attempt and meter by meter."""
