"""Providers that stand in for the official plugins, on the official Python clients."""
