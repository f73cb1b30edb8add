"""Import of WordPress exports (WXR 1.0 to 1.2): a streaming reader, its records, and bodies as plain HTML."""
