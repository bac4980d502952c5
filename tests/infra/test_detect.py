"""A node knows its cloud without asking the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.spot.address import Place, filled, is_own, unknown_placeholders
from infra.spot.detect import AZURE_ASSET_TAG, Firmware, detect, read_firmware, sources_of
from infra.spot.settings import SpotSettings
from infra.spot.sources.source import Source

PLACE = Place(node_id="ab12", node_ip="10.0.0.7", hostname="worker")
AMAZON = Firmware(sys_vendor="Amazon EC2", product_name="g6.xlarge")


@pytest.mark.parametrize(
    ("firmware", "cloud"),
    [
        (AMAZON, "aws"),
        (Firmware("Xen", "HVM domU", "4.11.amazon"), "aws"),
        (Firmware("Google", "Google Compute Engine"), "gcp"),
        (Firmware("Microsoft Corporation", "Virtual Machine", "", AZURE_ASSET_TAG), "azure"),
        (Firmware("Microsoft Corporation", "Virtual Machine", "", "None"), "none"),
        (Firmware("QEMU", "Standard PC (Q35 + ICH9, 2009)"), "none"),
        (Firmware(), "none"),
    ],
)
def test_the_firmware_tells_the_cloud(firmware: Firmware, cloud: str) -> None:
    assert detect({}, firmware) == cloud


@pytest.mark.parametrize(
    ("name", "cloud"),
    [("AWS_EC2_METADATA_SERVICE_ENDPOINT", "aws"), ("GCE_METADATA_HOST", "gcp")],
)
def test_a_variable_counts_more_than_the_firmware(name: str, cloud: str) -> None:
    other = Firmware("Microsoft Corporation", "Virtual Machine", "", AZURE_ASSET_TAG)
    assert detect({name: "127.0.0.1:1"}, other) == cloud
    assert detect({name: ""}, other) == "azure"


def test_the_firmware_is_read_from_files_that_may_be_missing(tmp_path: Path) -> None:
    assert read_firmware(tmp_path) == Firmware()
    (tmp_path / "sys_vendor").write_text("Amazon EC2\n")
    assert read_firmware(tmp_path) == Firmware(sys_vendor="Amazon EC2")


def names(source: str, firmware: Firmware = AMAZON) -> list[str]:
    found: tuple[Source, ...] = sources_of(SpotSettings(source), PLACE, {}, firmware)
    return [one.name.split()[0] for one in found]


def test_a_source_that_is_named_is_taken_whatever_the_machine_is() -> None:
    assert names("auto") == ["aws", "aws", "aws"]
    assert names("auto", Firmware()) == []
    assert names("aws", Firmware()) == ["aws", "aws", "aws"]
    assert names("gcp") == ["gcp", "gcp"]
    assert names("azure") == ["azure"]
    assert names("none") == []
    assert names("file:/n/{hostname}") == ["file:/n/worker"]
    assert names("http://h/{node_ip}") == ["http://h/10.0.0.7"]


def test_an_address_is_a_full_path_or_http() -> None:
    assert is_own("file:/a")
    assert is_own("file:///a")
    assert is_own("https://a/b")
    assert not is_own("file:a")
    assert not is_own("ftp://a")
    assert not is_own("alibaba")


def test_placeholders_are_the_nodes() -> None:
    assert filled("{node_id}/{node_ip}/{hostname}", PLACE) == "ab12/10.0.0.7/worker"
    assert unknown_placeholders("{node_id}/{zone}/{}") == ["zone", ""]
