"""How the code base is built, measured: rooms, imports, repeated knowledge, functions, and the way of a report.

Data flows a checkout's folder -> its sources and import graph -> one measure each -> a table beside what is wanted.
"""
