"""`python -m stentor_stt.decoder`: the fork server. Started by `stentor_stt.audio`, of no use to people."""

from stentor_stt.decoder.server import main

main()
