"""The contract of AssemblyAI for recordings."""
