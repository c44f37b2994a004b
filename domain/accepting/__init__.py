"""From what a client asks for to sends that are charged and queued: all of it or nothing."""
