"""The containers that need no other library: dicts, lists, arrays, shadow memory."""
