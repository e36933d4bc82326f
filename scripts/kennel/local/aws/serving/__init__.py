"""Endpoints: fleets of instances, deployments, invocations, alarms and scaling."""
