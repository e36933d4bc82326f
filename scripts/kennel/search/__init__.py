"""The search for good hyperparameters, on SageMaker or on this machine."""
