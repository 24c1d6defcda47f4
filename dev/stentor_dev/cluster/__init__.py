"""A Kubernetes API server, and as much of a cluster behind it as models' pods need, on this machine.

It stores objects, checks them against the real OpenAPI schemas, applies them as servers do (field by field,
with owners), answers selectors and watches; it makes pods of Deployments and Jobs, and runs the very commands
of their containers as processes here, each pod with a loopback address of its own, or in the network that the
node is given. What it lacks of a real one: containers see this machine's files (folders of volumes stand
elsewhere, and are renamed in commands and in what secrets say), its users and, on loopback, its network.

`schemas` the OpenAPI schemas · `fields` who owns which field · `objects` what is stored · `server` HTTP ·
`controllers` Deployments and Jobs · `kubelet` runs `pods`, whose `files` and `processes` are of this machine
"""

from stentor_dev.cluster.server import LocalCluster

__all__ = ["LocalCluster"]
