"""Turn tables and charts into text, files and pages; renderers know only `Table` and chart values."""
