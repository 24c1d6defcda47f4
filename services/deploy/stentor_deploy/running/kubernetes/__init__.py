"""Models as pods of a cluster: one Deployment for each revision, in a namespace of their own.

`settings` what an operator says · `cluster` the API server, in a few words · `manifests` what is asked of
it · `wishes` how many replicas several gateways want together · `pods` what the states of pods mean ·
`replica`, `fleet`, `driver` the port of `stentor_deploy.running` · `building` environments made by a Job ·
`upkeep` what others left behind
"""
