"""What comes back: webhooks, routing, the inbox, replies, reports and opting out."""
