"""How others call deployed models: translations onto one core."""
