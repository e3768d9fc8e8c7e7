"""What every container and store is built on: an open store's life, options, errors, dtypes."""
