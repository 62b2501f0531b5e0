"""The dashboard as one picture: from a Prometheus, or from sample data, without a Grafana."""
