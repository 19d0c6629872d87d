"""Checks of the installation, registration, and helpers of the tools."""
