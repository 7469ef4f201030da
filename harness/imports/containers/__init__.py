"""Ways into files that hold logs: JSON in parts, JSON Lines, zip, SQLite, CSV; each in bounded memory.

Data flows a path -> `LogFile` -> parsed pieces of it. What is cut, bent or beyond a limit is an `ImportRefused` that
names the file and the place.
"""
