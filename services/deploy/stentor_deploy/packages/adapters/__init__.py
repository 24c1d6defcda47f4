"""Model classes that travel into packages: on Python 3.8 and newer, libraries imported when they load."""
