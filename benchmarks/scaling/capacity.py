"""What a day of a million jobs needs, from what single parts were measured to cost.

`python -m scaling.capacity` (in `benchmarks/`) prints the tables of docs/scaling.md and draws its plots. What
is assumed and not measured stands at the top: change it to your own.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from scaling.queueing import Outcome, Scaling, poisson, simulated

DAY = 86_400
PLOTS = Path(__file__).parents[2] / "docs" / "scaling"

# Assumed: the mix, the shape of a day, prices, and a GPU, of which none was here to measure.
PEAK = 1.75
"""The busiest moment of a day, as a multiple of its mean; the quietest is as far below it."""
GPU_TIMES_REAL_TIME = 46
"""faster-whisper's own figure for large-v2 in batches of 8, half precision, on an RTX 3070 Ti: 13 minutes in
17 seconds. https://github.com/SYSTRAN/faster-whisper"""
GPU_HOUR, CORE_HOUR, GIB_MONTH = 0.70, 0.04, 0.023
"""Dollars; of rented machines in a large region, without discounts."""
BYTES_A_SECOND = 16_000
"""Of recordings as they come: MP3 of 128 kbit/s."""

# Measured, see benchmarks/README.md: two cores of the machine named there.
CORE_SECONDS_HEARD = 2 * 0.040
"""For each second of sound, whisper-base."""
CORE_SECONDS_SAID = 2 * 0.0065
CORE_SECONDS_A_THOUSAND_WORDS = 2 * 0.28
PLATFORM_MS = {"API": 7.7, "worker": 9.9, "PostgreSQL": 2.4, "S3": 1.8, "RabbitMQ": 1.4}
"""Processor time of a job whose engine does nothing."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of the day's jobs."""

    name: str
    jobs: int
    heard: float = 0.0
    """Seconds of sound, on average."""
    said: float = 0.0
    words: float = 0.0


MIX = (
    Share("clips, voice messages", 600_000, heard=12),
    Share("calls", 150_000, heard=240),
    Share("meetings, podcasts", 10_000, heard=2_700),
    Share("texts spoken", 140_000, said=40),
    Share("texts summarized", 100_000, words=1_200),
)


def rate(jobs: float, at: float) -> float:
    """Jobs a second at a time of the day: most at two in the afternoon."""
    return jobs / DAY * (1 + (PEAK - 1) * math.cos(2 * math.pi * (at / DAY - 14 / 24)))


def totals() -> dict[str, float]:
    """What the day takes in all, by what is spent."""
    heard = sum(each.jobs * each.heard for each in MIX)
    said = sum(each.jobs * each.said for each in MIX)
    words = sum(each.jobs * each.words for each in MIX)
    jobs = sum(each.jobs for each in MIX)
    return {
        "jobs": jobs,
        "hours heard": heard / 3600,
        "cores, hearing with whisper-base": heard * CORE_SECONDS_HEARD / DAY,
        "GPUs, hearing with large": heard / GPU_TIMES_REAL_TIME / DAY,
        "cores, speaking": said * CORE_SECONDS_SAID / DAY,
        "cores, summarizing": words / 1000 * CORE_SECONDS_A_THOUSAND_WORDS / DAY,
        **{f"cores, {part}": jobs * ms / 1000 / DAY for part, ms in PLATFORM_MS.items()},
        "messages a second": jobs / DAY,
        "GiB of recordings": heard * BYTES_A_SECOND / 1024**3,
    }


def hearing_day(scaling: Scaling, *, places: int = 8, seed: int = 1) -> Outcome:
    """The recordings of a day through GPU workers. Each place is as slow as when all of them are taken."""
    heard = [each for each in MIX if each.heard]
    jobs = sum(each.jobs for each in heard)
    works = [each.heard * places / GPU_TIMES_REAL_TIME for each in heard]
    weights = [each.jobs for each in heard]
    arriving = poisson(
        lambda at: rate(jobs, at),
        DAY,
        # Lengths within a share scatter as those of calls do.
        lambda draw: draw.choices(works, weights)[0] * draw.expovariate(1),
        seed,
    )
    return simulated(arriving, scaling, places=places, begin_with=scaling.least)


FIXED = (22, 26, 30, 32, 34, 36, 40)
SCALINGS = {
    "4 jobs a replica": Scaling(2, 60, jobs_per_replica=4),
    "8 jobs a replica": Scaling(2, 60, jobs_per_replica=8),
    "16 jobs a replica": Scaling(2, 60, jobs_per_replica=16),
    "8 jobs a replica, pods start in 4 minutes": Scaling(2, 60, jobs_per_replica=8, start_seconds=240),
    "8 jobs a replica, window of 15 minutes": Scaling(2, 60, jobs_per_replica=8, stabilisation_seconds=900),
}


def main() -> None:
    for name, amount in totals().items():
        print(f"| {name} | {amount:,.3g} | {amount * PEAK:,.3g} |")
    fixed = {count: hearing_day(Scaling(count, count)) for count in FIXED}
    scaled = {name: hearing_day(scaling) for name, scaling in SCALINGS.items()}
    for name, outcome in {**{f"always {count}": found for count, found in fixed.items()}, **scaled}.items():
        hours = outcome.replica_seconds / 3600
        print(
            f"| {name} | {hours:,.0f} | {hours * GPU_HOUR:,.0f} | {outcome.most_replicas} | "
            f"{outcome.wait(0.5):,.1f} | {outcome.wait(0.95):,.1f} | {outcome.wait(0.99):,.1f} |"
        )
    draw(fixed, scaled)


def draw(fixed: dict[int, Outcome], scaled: dict[str, Outcome]) -> None:
    # Only whoever draws needs the library.
    import matplotlib.pyplot as plt

    PLOTS.mkdir(exist_ok=True)
    figure, axes = plt.subplots(figsize=(7, 4))
    for share, style in ((0.5, "-"), (0.95, "--"), (0.99, ":")):
        axes.plot(
            list(fixed), [each.wait(share) for each in fixed.values()], style, label=f"{share:.0%} of jobs"
        )
    axes.set(xlabel="GPU workers, all day", ylabel="began within (s)", yscale="symlog")
    axes.legend()
    figure.savefig(PLOTS / "wait-by-replicas.svg", metadata={"Date": None})
    name = "8 jobs a replica"
    times, replicas, waiting = zip(*scaled[name].history, strict=True)
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 5))
    hours = [at / 3600 for at in times]
    above.plot(hours, replicas)
    above.set(ylabel="GPU workers", title=f"A day with {name}")
    below.plot(hours, waiting)
    below.set(xlabel="hour", ylabel="jobs that wait")
    figure.savefig(PLOTS / "a-day.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
