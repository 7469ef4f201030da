"""Values that reports make and renderers draw: tables, streams of rows, charts, pages, trends. Pure."""
