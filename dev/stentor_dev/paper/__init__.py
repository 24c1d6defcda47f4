"""A cluster on paper: the rendered chart as processes of this machine.

`cluster` Deployments, Jobs and the Ingress · `pod` one of their pods · `networks` what a network does for
pods, and loopback · `routed` addresses and policies: on a `node` of Linux' `namespaces`, with `policies` as
rules and a `relay` to this machine · `calls` what tests say to it
"""
