"""What is read of the ledger and the contacts: balances, statements, searches."""
