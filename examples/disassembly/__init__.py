"""A disassembly kept in external memory: the parts of examples/disassemble.py.

In reading order: machine (what capstone is told), image (an ELF file), sweep (bytes to instructions),
listing (the members of the store and how they are filled), report (what a second process reads back),
memory (what a process holds), steps (one process each).
"""
