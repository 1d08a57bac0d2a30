"""The OpenAI dialect: chat completions, completions, embeddings, models."""
