"""Charts that a page draws itself."""
