"""The primefixd command line."""
