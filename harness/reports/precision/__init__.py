"""Rows of runs that were asked in waves: estimates by design in place of plain means, alone and against other rows."""
