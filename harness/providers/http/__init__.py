"""One HTTP request per attempt: no redirects, no cookies, no retries."""
