"""What monitoring asks for: /metrics in OpenMetrics text, /healthz and /readyz, on a listener of their own."""
