"""Prometheus and Grafana: its text read back into samples, and what makes theirs know a fleet.

Here belong the text of configuration files and dashboards (pure). Serving metrics belongs to the
planes, writing files to the faces.
"""
