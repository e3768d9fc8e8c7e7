"""NetworkX's graphs in a store. A GraphStorage holds all of one, and needs no NetworkX; the classes do."""
