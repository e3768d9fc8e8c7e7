"""A program recovered in external memory: the parts of examples/disassemble.py.

In reading order: members (what is kept, under which name), listing (the first pass over the code), leaders,
blocks and switches (the second), queries (NetworkX on the stored graphs), plain (Python's own containers in
their place), steps (one process each).

Below them, of an ELF file: image, sections and relocations (its bytes as they are loaded), tables, symbols,
unwinding and go_table (what it tells of functions), regions (of encodings). Of machines: machine, with x86,
arm and dispatch; texts, decoder and sweep (bytes to arrays of instructions). Beside them: census, report,
names, memory, figure, libraries.
"""
