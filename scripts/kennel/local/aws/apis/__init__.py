"""What API Gateway serves."""
