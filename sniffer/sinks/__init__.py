"""Where records go: metrics, event log, store, webhook, MQTT, notifications."""
