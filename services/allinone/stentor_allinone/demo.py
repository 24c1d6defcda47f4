"""`stentor demo`: a recorded sentence through the whole API, and what comes back."""

from importlib.resources import as_file, files

from rich.console import Console
from rich.table import Table

from stentor_allinone.client import connected, told

SAMPLE = "sentence.mp3"


async def run(server: str, token: str) -> None:
    """Raises Refused when a step fails."""
    console = Console()
    console.print("Starting Stentor …" if not server else f"Asking {server} …")
    async with connected(server, token) as client:
        for provider in told(await client.get("/v1/providers")).json()["data"]:
            state = "available" if provider["available"] else provider["reason"]
            console.print(f"  {provider['capability']} by {provider['id']}: {state}")
        with as_file(files("stentor_allinone") / "samples" / SAMPLE) as path:
            console.print(f"POST /v1/transcriptions with {SAMPLE} ({path.stat().st_size} bytes)")
            answer = await client.post(
                "/v1/transcriptions",
                files={"file": (SAMPLE, path.read_bytes())},
                headers={"Prefer": "wait=60"},
            )
        job = told(answer).json()
        if job["status"] != "completed":
            console.print(f"The job is {job['status']}: {job['error'] or 'it goes on after this demo'}")
            return
        console.print(f"[bold]{job['text']}[/bold]")
        words = Table("word", "from ms", "to ms", "confidence")
        for word in job["words"]:
            words.add_row(
                word["text"], str(word["start_ms"]), str(word["end_ms"]), f"{word['confidence']:.2f}"
            )
        console.print(words)
        subtitles = await client.get(f"/v1/transcriptions/{job['id']}", params={"format": "srt"})
        console.print(told(subtitles).text)
        made = f"{job['engine']} with {job['model']}"
        console.print(f"{job['duration_ms'] / 1000:.1f} s of {job['language']} by {made}")
