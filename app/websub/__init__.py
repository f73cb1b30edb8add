"""WebSub (W3C): this server's hub, and notifications of other hubs."""
