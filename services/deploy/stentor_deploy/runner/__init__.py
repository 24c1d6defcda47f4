"""The program that runs a model, in the model's own environment.

It stands on the standard library of Python 3.8 alone, so that what a model requires never meets what the
server requires, and it is started by its path: nothing of this product need be installed where it runs.
README.md beside this file says how it is started; `frames` is the one place that says what it speaks.
"""
