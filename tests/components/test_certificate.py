"""The certificate's way: when it is delivered, and how often again."""

import pulumi_host
from components.certificate import (
    CertificateComponent,
    render_delivery_service,
    render_delivery_timer,
)
from components.onhost import certificate_delivery
from components.remote import readings
from declaration.endpoints import Endpoints
from declaration.model import Declaration
from tests.components import arguments
from tests.components.registrations import CONNECTION, Registration, registered, waits_for


def deployed(declaration: Declaration) -> dict[str, Registration]:
    """Return what the component registers."""

    def program() -> None:
        routes = pulumi_host.File("traefik-routes", path="/routes", content="")
        release = pulumi_host.File("release", path="/release", content="")
        args = arguments.certificate(declaration, CONNECTION, routes, after=[release])
        CertificateComponent("certificate", args)

    return registered(program)


def test_the_first_deployment_waits_for_traefik(qual: Declaration) -> None:
    delivery = deployed(qual)["certificate-delivery"].inputs
    assert delivery["create"].splitlines()[0].endswith("--wait 600")
    assert delivery["update"] == delivery["create"]
    assert "revision-of-traefik-routes" in readings(delivery["create"])


def test_the_delivery_comes_after_routes_and_release(qual: Declaration) -> None:
    found = deployed(qual)
    assert waits_for(found, "certificate-delivery", "traefik-routes")
    assert waits_for(found, "certificate-delivery", "release")
    assert waits_for(found, "certificate-schedule", "certificate-delivery")


def test_the_options_are_those_of_the_program(qual: Declaration) -> None:
    words = deployed(qual)["certificate-delivery"].inputs["create"].splitlines()[0].split()
    options = certificate_delivery.parser().parse_args(words[words.index("-B") + 2 :])
    assert options.host == "mx.portugalodyssey.pt"
    assert options.acme == "/opt/po-shared/traefik/acme.json"
    assert options.ca_bundle is None


def test_other_authorities_are_trusted_only_when_they_are_declared(
    qual: Declaration,
) -> None:
    endpoints = Endpoints(ca_bundle="-----BEGIN CERTIFICATE-----\n")
    found = deployed(qual.model_copy(update={"endpoints": endpoints}))
    assert found["certificate-authorities"].inputs["path"] == "/opt/po-mail/authorities.pem"
    assert (
        "--ca-bundle /opt/po-mail/authorities.pem" in found["certificate-service"].inputs["content"]
    )


def test_the_timer_runs_as_often_as_declared() -> None:
    assert "OnUnitInactiveSec=45min" in render_delivery_timer(45)


def test_the_service_runs_what_the_deployment_ran(qual: Declaration) -> None:
    service = " ".join(
        render_delivery_service(arguments.delivery(qual)).replace("\\\n", " ").split()
    )
    words = deployed(qual)["certificate-delivery"].inputs["create"].splitlines()[0]
    options = words.partition("certificate_delivery.py ")[2].removesuffix(" --wait 600")
    assert options in service


def test_removal_ends_the_timer(qual: Declaration) -> None:
    schedule = deployed(qual)["certificate-schedule"].inputs
    assert "disable --now po-mail-certificate.timer" in schedule["delete"]
    assert "/po_mail_certificate.prom" in schedule["delete"]


def test_commands_show_their_complaints_and_nothing_else(qual: Declaration) -> None:
    for registration in deployed(qual).values():
        if registration.type == "command:remote:Command":
            assert registration.inputs["logging"] == "stderr"
            assert registration.inputs["addPreviousOutputInEnv"] is False
