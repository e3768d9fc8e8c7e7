"""NetworkX's graphs in a store. `classes`, `stored` and `networkx_views` need NetworkX, the others do not."""
