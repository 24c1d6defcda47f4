"""Buckets on an S3 store that is named by URL: s3+http(s)://ACCESS:SECRET@HOST:PORT/BUCKET."""

from urllib.parse import unquote, urlsplit

import urllib3
from minio import Minio


def connect(store: str, pool: urllib3.PoolManager | None = None) -> Minio:
    parts = urlsplit(store)
    return Minio(
        endpoint=parts.netloc.rpartition("@")[2],
        access_key=unquote(parts.username or ""),
        secret_key=unquote(parts.password or ""),
        secure=parts.scheme == "s3+https",
        region="us-east-1",
        http_client=pool,
    )


def bucket_at(store: str, name: str) -> str:
    return urlsplit(store)._replace(path=f"/{name}").geturl()


def create_bucket(store: str, name: str) -> str:
    """Make a bucket, if there is none of that name, and return its URL."""
    client = connect(store)
    if not client.bucket_exists(bucket_name=name):
        client.make_bucket(bucket_name=name)
    return bucket_at(store, name)


def drop_bucket(store: str, name: str) -> None:
    client = connect(store)
    for found in client.list_objects(bucket_name=name, recursive=True, include_version=True):
        if found.object_name:
            client.remove_object(bucket_name=name, object_name=found.object_name, version_id=found.version_id)
    client.remove_bucket(bucket_name=name)
