"""The HTTP API, one file a subject. Shapes are those of ``fleet.status`` and ``fleet.work``."""
