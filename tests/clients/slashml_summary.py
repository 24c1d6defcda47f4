"""Runs the published `slashml` client, in an environment of its own: URL and a file with a text as arguments.

The client has no setting for its address; the class attribute is the one thing that is changed.
"""

import json
import sys
from pathlib import Path

from slashml import TextSummarization

url, path = sys.argv[1:]
text = Path(path).read_text()
TextSummarization._base_url = f"{url}/summarization/v1"
client = TextSummarization(api_key=None)
provider = TextSummarization.ServiceProvider.HUGGING_FACE

submitted = client.submit_job(text, provider)
polled = client.status(submitted.id, provider)
executed = client.execute(text, provider)
by_vendor = client.execute(text, TextSummarization.ServiceProvider.OPENAI)

sys.stdout.write(
    json.dumps(
        {
            "submitted": submitted.status,
            "polled": polled.status,
            "status": executed.status,
            "summary": executed.summarization_data,
            "summaries": executed.summaries,
            "by_vendor": by_vendor.summarization_data,
            "choices": TextSummarization.ServiceProvider.choices(),
        }
    )
)
