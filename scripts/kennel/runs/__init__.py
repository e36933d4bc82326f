"""Training runs wherever they take place: on SageMaker, on a fleet of EC2 machines, or here."""
