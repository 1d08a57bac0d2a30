"""What the gateway is measured against, and with: other proxies, a fake LLM server, a load."""
