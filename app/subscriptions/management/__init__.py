"""What subscribers do with their subscriptions, by the token that confirming gave them."""
