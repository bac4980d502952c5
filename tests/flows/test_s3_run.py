"""A whole run on S3 over HTTP: input, results and checkpoint in a bucket."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import yaml

from infra.local_cluster import LocalCluster
from tests.flows.flow import ROOT, finish, write_flow
from tests.infra.s3_servers import CREDENTIALS, make_bucket, ministack_server

pytestmark = pytest.mark.flow


def test_a_run_on_s3_is_proven_and_refused_without_its_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ministack_server(tmp_path) as endpoint:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(name, value)
        make_bucket(endpoint, "contracts")
        flow = write_flow(tmp_path / "flow", count=120, has_bad_documents=True)
        upload(flow.folder / "documents", endpoint)
        job = yaml.safe_load(flow.job_file.read_text())
        job["input"]["uri"] = "s3://contracts/documents/"
        job["output"] = "s3://contracts/output"
        job["checkpoint"] = "s3://contracts/checkpoint"
        flow.job_file.write_text(yaml.safe_dump(job))

        with LocalCluster(head_cpus=4) as cluster:  # its workers inherit the endpoint
            code, final = finish(flow.start_driver(cluster, "0.01"))
        assert (code, final["state"]) == (0, "completed")
        verified = gleaner("verify", str(flow.job_file))
        proof, errors = verified.stdout.splitlines()
        assert proof == "126 documents: 121 ok, 5 error, 0 missing, 0 duplicate"
        assert "encrypted_pdf x 1" in errors
        assert verified.returncode == 0

        job["output"] = "s3://no-such-bucket/output"
        flow.job_file.write_text(yaml.safe_dump(job))
        refused = gleaner("validate", str(flow.job_file))
        assert refused.returncode != 0
        assert "no-such-bucket" in refused.stderr
        assert "Traceback" not in refused.stderr


def upload(folder: Path, endpoint: str) -> None:
    client = boto3.client("s3", endpoint_url=endpoint)
    for file in folder.rglob("*"):
        if file.is_file():
            key = f"documents/{file.relative_to(folder)}"
            client.put_object(Bucket="contracts", Key=key, Body=file.read_bytes())


def gleaner(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobs", *arguments],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )
