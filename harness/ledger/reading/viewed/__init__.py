"""What the pages of the view read: columns for indexes of samples, and whatever one page alone wants to know."""
