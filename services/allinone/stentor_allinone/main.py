"""The command line: `stentor up | migrate | transcribe | listen | say | summarize | deploy | demo`."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from stentor_allinone import demo as demos
from stentor_allinone import deploy as models
from stentor_allinone import live as speech
from stentor_allinone import say as sayings
from stentor_allinone import sources
from stentor_allinone import summarize as summaries
from stentor_allinone import transcribe as transcripts
from stentor_allinone.client import Refused
from stentor_allinone.compose import AllSettings
from stentor_allinone.up import up as serve_everything
from stentor_allinone.welcome import say_where
from stentor_common import process
from stentor_common.db import Database
from stentor_common.migrate import upgrade
from stentor_common.migrate import write_revision as add_migration
from stentor_common.settings import Settings

app = typer.Typer(
    help="Self-hosted speech, text and model API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Server = Annotated[
    str, typer.Option(envvar="STENTOR_URL", help="A running Stentor. Without one, a private one is started.")
]
Language = Annotated[str, typer.Option(help="What is spoken, such as `en`; else it is detected.")]
Token = Annotated[str, typer.Option(envvar="STENTOR_TOKEN", help="An API token or access token.")]


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Serve everything in one process: API, queue, worker, database, files."""
    given = {"host": host, "port": port}
    settings = AllSettings.read(**{name: value for name, value in given.items() if value is not None})
    process.run(settings.common, lambda: serve_everything(settings, say_where))


@app.command()
def migrate(
    message: Annotated[
        str, typer.Option("--message", "-m", help="Write a new migration that does this.")
    ] = "",
) -> None:
    """Bring the database to this release's schema. With a message: write a new migration instead."""
    settings = Settings()

    async def run() -> None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        db = Database(settings.resolved_database_url)
        try:
            await upgrade(db.engine)
            if message:
                await add_migration(db.engine, message)
        finally:
            await db.close()

    process.run(settings, run)


@app.command()
def transcribe(  # noqa: PLR0913  one for each option
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Audio or video.")],
    format: Annotated[transcripts.Format, typer.Option(help="What to write.")] = transcripts.Format.text,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; else the terminal.")
    ] = None,
    language: Language = "",
    live: Annotated[bool, typer.Option("--live", help="Play it, and show its text as it is said.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="With --live: as fast as it is heard.")] = False,
    server: Server = "",
    token: Token = "",
) -> None:
    """Write down what is said in a recording."""
    options = {"language": language} if language else {}
    with _refusals():
        if live:
            text = asyncio.run(speech.transcribe(sources.recording(file, fast=fast), options, server, token))
        else:
            asked = transcripts.Asked(file, format, options)
            text = asyncio.run(transcripts.transcribe(asked, server, token))
    if output:
        output.write_text(text)
    elif not live:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")


@app.command()
def listen(
    stdin: Annotated[
        bool, typer.Option("--stdin", help="16-bit samples at 16 kHz through a pipe, not the microphone.")
    ] = False,
    language: Language = "",
    server: Server = "",
    token: Token = "",
) -> None:
    """Write down what is said into the microphone, until Ctrl-C."""
    options = {"language": language} if language else {}
    with _refusals():
        source = sources.piped if stdin else sources.spoken()
        asyncio.run(speech.transcribe(source, options, server, token))


@app.command()
def say(  # noqa: PLR0913  one for each option
    text: Annotated[str, typer.Argument(help="What to say; `-` reads it from standard input.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write, of the kind its name says; else it is played."),
    ] = None,
    voice: Annotated[str, typer.Option(help="Who says it; see GET /v1/voices.")] = "",
    language: Annotated[str, typer.Option(help="What it is written in, such as `en`.")] = "",
    speed: Annotated[float, typer.Option(help="Times the voice's own speed, 0.25 to 4.")] = 1.0,
    server: Server = "",
    token: Token = "",
) -> None:
    """Say a text, aloud or into a file."""
    chosen = {"voice": voice, "language": language}
    options = {"speed": speed, **{name: value for name, value in chosen.items() if value}}
    said = sys.stdin.read() if text == "-" else text
    with _refusals():
        asyncio.run(sayings.say(sayings.Asked(said, output, options), server, token))


@app.command()
def summarize(  # noqa: PLR0913  one for each option
    file: Annotated[
        str, typer.Argument(help="txt, md, html, pdf or docx; `-` reads a text from standard input.")
    ],
    length: Annotated[
        str, typer.Option(help='`short`, `medium`, `long`, or as in `{"sentences": 3}`, words, ratio.')
    ] = "",
    style: Annotated[str, typer.Option(help="`paragraph`, `bullets`, `headline` or `minutes`.")] = "",
    language: Annotated[str, typer.Option(help="What it is written in, such as `en`; else told by it.")] = "",
    model: Annotated[str, typer.Option(help="One of GET /v1/models; else the default.")] = "",
    format: Annotated[summaries.Format, typer.Option(help="What to write.")] = summaries.Format.text,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; else the terminal.")
    ] = None,
    server: Server = "",
    token: Token = "",
) -> None:
    """Write down what a document comes to."""
    chosen = {"length": length, "style": style, "language": language, "model": model}
    options = {name: value for name, value in chosen.items() if value}
    with _refusals():
        asked = summaries.Asked(summaries.source_of(file), format, options)
        text = asyncio.run(summaries.summarize(asked, server, token))
    if output:
        output.write_text(text)
    else:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")


@app.command()
def deploy(  # noqa: PLR0913  one for each option
    source: Annotated[
        str,
        typer.Argument(
            help="Folder or archive (Truss, MLflow, OctoAI, model.py), weights, or git https URL."
        ),
    ],
    name: Annotated[str, typer.Option(help="What it is called by; one that is there gets a revision.")] = "",
    framework: Annotated[str, typer.Option(help="Of weights: `sklearn`, `pytorch`, `onnx`, …")] = "",
    task: Annotated[str, typer.Option(help="Of a transformers model, such as `fill-mask`.")] = "",
    requirements: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="In place of those of the package.")
    ] = None,
    examples: Annotated[str, typer.Option(help="JSON list of inputs that it is tried with.")] = "",
    server: Server = "",
    token: Token = "",
) -> None:
    """Deploy a model to a running Stentor, by default the one on this machine."""
    with _refusals():
        fields = models.fields_of({"framework": framework, "task": task}, requirements, examples)
        asked = models.Asked(source, name, fields)
        sys.stdout.write(asyncio.run(models.deploy(asked, server, token)) + "\n")


@app.command()
def demo(server: Server = "", token: Token = "") -> None:
    """Send a recorded sentence through the whole API and show what comes back."""
    with _refusals():
        asyncio.run(demos.run(server, token))


@contextmanager
def _refusals() -> Iterator[None]:
    """What was refused ends the command, in a sentence."""
    try:
        yield
    except Refused as error:
        sys.stderr.write(f"stentor: {error}\n")
        raise typer.Exit(1) from None


def main() -> None:
    with process.clear_failures():
        app()


if __name__ == "__main__":
    main()
