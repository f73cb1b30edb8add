"""The media store in S3, which moto plays: `make s3-test` runs this, as moto and s3fs are not installed otherwise."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx2
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.main import create_app
from tests.make import ok

Headers = dict[str, str]
ENDPOINT = "http://127.0.0.1:{}"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    endpoint = ENDPOINT.format(server.get_host_and_port()[1])
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}
    os.environ.update(environment | {"AWS_ENDPOINT_URL": endpoint})
    region = {"LocationConstraint": "eu-west-1"}
    boto3.client("s3").create_bucket(Bucket="pictures", CreateBucketConfiguration=region)
    yield "s3://pictures/media"
    server.stop()


@pytest.fixture
def client(settings: Settings, bucket: str) -> Iterator[TestClient]:
    own = settings.model_copy(update={"media_url": bucket, "picture_processes": 0})
    with TestClient(create_app(own, with_worker=False)) as client:
        yield client


def test_a_file_goes_to_the_bucket_and_becomes_a_picture(client: TestClient, editor: Headers, tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("RGB", (700, 350), "navy").save(out, "PNG")
    data = out.getvalue()
    begun = ok(client.post("/v1/media/uploads", json={"bytes": len(data), "alt": "A ship"}, headers=editor), 201)
    assert "X-Amz-Signature=" in begun["url"]
    assert "content-length" in begun["url"]  # is signed
    finish = f"/v1/media/uploads/{begun['id']}/finish"
    assert client.post(finish, headers=editor).status_code == 409
    assert httpx2.put(begun["url"], content=data, headers=begun["headers"]).status_code == 200
    made = ok(client.post(finish, headers=editor), 201)
    assert (made["alt"], made["width"]) == ("A ship", 700)
    for copy in (made, *made["renditions"], *made["crops"]):
        for _ in range(2):  # made, and kept
            assert client.get(copy["url"]).status_code == 200
    keys = [entry["Key"] for entry in boto3.client("s3").list_objects_v2(Bucket="pictures")["Contents"]]
    assert sum("/renditions/" in key for key in keys) == 5
    assert client.delete(f"/v1/media/{made['id']}", headers={**editor, "If-Match": "*"}).status_code == 204
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket="pictures")


def test_what_arrives_in_the_bucket_is_looked_at(client: TestClient, editor: Headers) -> None:
    begun = ok(client.post("/v1/media/uploads", json={"bytes": 6}, headers=editor), 201)
    assert httpx2.put(begun["url"], content=b"<svg/>", headers=begun["headers"]).status_code == 200
    assert client.post(f"/v1/media/uploads/{begun['id']}/finish", headers=editor).status_code == 415
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket="pictures")
