"""Workflow executions: their records, their payloads, their figures."""
