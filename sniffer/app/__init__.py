"""The program put together: the order of the stages, the daemon, the batch job, the configuration."""
