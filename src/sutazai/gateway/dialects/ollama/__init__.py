"""The Ollama dialect: chat, generate, embed, tags, show, ps."""
