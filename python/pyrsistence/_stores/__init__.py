"""Store and open(): what a directory holds, of whatever kind it is."""
