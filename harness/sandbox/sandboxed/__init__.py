"""What runs inside the boxes: the untrusted program's runner and the judge that calls it; standard library only.

The folder is mounted read-only into each box, so nothing here may import the rest of the harness.
"""
