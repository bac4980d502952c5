"""Which sources of notices this node has.

Boundary: looks at the environment and at what the firmware says (DMI), never at the network, so
that a machine outside every cloud finds out at once that there is nothing to ask.
Invariant: a variable that names a metadata service counts more than the firmware: it is set on
purpose, by a rehearsal or where the service has another address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.spot.address import Place, is_own
from infra.spot.settings import AUTO, AWS, AZURE, GCP, NONE, SpotSettings
from infra.spot.sources import aws, gcp
from infra.spot.sources.azure import azure_sources
from infra.spot.sources.own import own_sources
from infra.spot.sources.source import Source

AWS_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
GCP_HOST = "GCE_METADATA_HOST"
CLOUD_POLL_S = 5.0  # what AWS advises
OWN_POLL_S = 1.0
DMI = Path("/sys/class/dmi/id")
AZURE_ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"  # every machine on Azure, no other Hyper-V


@dataclass(frozen=True, slots=True)
class Firmware:
    """What the machine says it is; empty where it says nothing."""

    sys_vendor: str = ""
    product_name: str = ""
    bios_version: str = ""
    chassis_asset_tag: str = ""


def read_firmware(folder: Path = DMI) -> Firmware:
    """This machine's; a file that cannot be read is empty."""
    return Firmware(
        sys_vendor=_text(folder / "sys_vendor"),
        product_name=_text(folder / "product_name"),
        bios_version=_text(folder / "bios_version"),
        chassis_asset_tag=_text(folder / "chassis_asset_tag"),
    )


def detect(environment: Mapping[str, str], firmware: Firmware) -> str:
    """The cloud by the name it has in `SpotSettings.source`; NONE outside those that are known."""
    if environment.get(AWS_ENDPOINT):
        return AWS
    if environment.get(GCP_HOST):
        return GCP
    if firmware.sys_vendor == "Amazon EC2" or firmware.bios_version.endswith("amazon"):
        return AWS
    if firmware.sys_vendor == "Google" or firmware.product_name == "Google Compute Engine":
        return GCP
    if firmware.chassis_asset_tag == AZURE_ASSET_TAG:
        return AZURE
    return NONE


def poll_s(settings: SpotSettings) -> float:
    """Seconds between two looks at a source."""
    return settings.poll_s or (OWN_POLL_S if is_own(settings.source) else CLOUD_POLL_S)


def sources_of(
    settings: SpotSettings, place: Place, environment: Mapping[str, str], firmware: Firmware
) -> tuple[Source, ...]:
    """What the node at `place` is to ask; empty when there is nothing."""
    found = detect(environment, firmware) if settings.source == AUTO else settings.source
    match found:
        case "aws":
            return aws.aws_sources(environment.get(AWS_ENDPOINT) or aws.ENDPOINT)
        case "gcp":
            return gcp.gcp_sources(settings.gcp_notice_s, environment.get(GCP_HOST) or gcp.HOST)
        case "azure":
            return azure_sources()
        case "none":
            return ()
    return own_sources(found, place)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
