"""A job: work that was accepted and will be done, whatever is killed meanwhile.

`table` is the row and its states, `repository` what callers do to jobs, `leases` what workers do,
`upkeep` what the sweeper does, `results` where results are kept, `watch` how others wait for them.
"""
