"""WordPress exports (WXR 1.0 to 1.2) in: a streaming reader, its records, and WordPress bodies as plain HTML."""
