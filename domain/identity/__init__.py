"""Who is asking: people, clients, groups, sessions, keys, and the actors they become."""
