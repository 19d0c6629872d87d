"""Metrics."""

from .submission_writer import SubmissionWriter

__all__ = ['SubmissionWriter']
