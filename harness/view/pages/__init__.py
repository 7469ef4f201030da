"""One module per page: a request's address -> what the page shows."""
