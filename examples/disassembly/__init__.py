"""A program recovered in external memory: the parts of examples/disassemble.py.

In reading order: members (what is kept, under which name), listing (the first pass over the code), blocks
and switches (the second), queries (NetworkX on the stored graphs), plain (Python's own containers in their
place), steps (one process each). Below them: image and symbols (an ELF file), machine, texts, decoder and
sweep (its bytes to arrays of instructions). Beside them: census, report, names, memory, figure, libraries.
"""
