"""Measuring routines: jobs, the worker process that runs them, and the database that keeps the samples."""
