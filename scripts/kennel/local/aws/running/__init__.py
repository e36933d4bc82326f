"""What runs where AWS would run a container: processes, or containers of Docker."""
