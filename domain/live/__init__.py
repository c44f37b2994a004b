"""What changes, told to whoever watches: hints, streams and the hub between them."""
