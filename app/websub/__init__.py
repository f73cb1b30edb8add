"""The WebSub hub, and notifications to it and to other hubs."""
