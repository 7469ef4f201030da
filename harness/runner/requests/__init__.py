"""The parts of a request's life: how an item is asked, what is reserved, what is stored of its end, when to retry."""
