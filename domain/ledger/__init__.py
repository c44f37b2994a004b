"""The tree of accounts and all that moves units in it."""
