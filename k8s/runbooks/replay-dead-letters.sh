#!/usr/bin/env bash
# Run jobs again that failed for a reason inside the service, once its cause is mended and while what they are about is
# still there. Without ids it lists them; the log has the exception under a job's id.
#
#   replay-dead-letters.sh                 list
#   replay-dead-letters.sh ID [ID…]        run these again
#   replay-dead-letters.sh --all           run all of them again
#
# Needs kubectl. The messages in RabbitMQ's `.dead` queues are of no more use and may be purged.
. "$(dirname "$0")/common.sh"
inside "$@" <<'PYTHON'
import asyncio, os, sys, uuid
import asyncpg

FAILED = "state = 'failed' AND error_code IN ('internal', 'worker_lost')"
AGAIN = """UPDATE job SET state = 'queued', attempts = 0, send_after = created_at, finished_at = NULL,
           error_code = NULL, error_message = NULL WHERE """ + FAILED


async def main(asked):
    url = os.environ["STENTOR_DATABASE_URL"].replace("postgresql+asyncpg", "postgresql", 1)
    connection = await asyncpg.connect(url)
    try:
        if not asked:
            rows = await connection.fetch(
                "SELECT id, kind, queue, attempts, error_code, request_id, finished_at FROM job "
                f"WHERE {FAILED} ORDER BY finished_at DESC"
            )
            for row in rows:
                print(*row.values(), sep="\t")
            print(f"{len(rows)} jobs", file=sys.stderr)
        elif asked == ["--all"]:
            print(await connection.execute(AGAIN))
        else:
            ids = [uuid.UUID(each) for each in asked]
            print(await connection.execute(AGAIN + " AND id = ANY($1)", ids))
    finally:
        await connection.close()


asyncio.run(main(sys.argv[1:]))
PYTHON
