"""TLS policies for destinations of outgoing mail."""

from typing import Any

from pulumi_mailcow.testing.call import Call, answers
from pulumi_mailcow.testing.php import empty, intval, numeric, text, to_ascii, trimmed


def _complaint(destination: str, parameters: str) -> str | None:
    if empty(destination) or destination in {".", "*", "@"}:
        return "tls_policy_map_dest_invalid"
    for parameter in parameters.split(" ") if parameters else ():
        name, sign, value = parameter.partition("=")
        if not (name and sign and value):
            return "tls_policy_map_parameter_invalid"
    return None


def _taken(call: Call, destination: str, but: object = None) -> bool:
    query = "SELECT 1 FROM tls_policy_override WHERE dest = ? AND id IS NOT ?"
    return call.store.value(query, destination, but) is not None


@answers("add", "tls-policy-map", log=("tls_policy_maps", "add"))
def add(call: Call) -> Any:
    """Add a policy; an unknown one is refused by the database, with an empty answer."""
    if not call.admitted:
        return False
    destination = to_ascii(trimmed(call.data.get("dest")))
    given = call.data.get("parameters")
    parameters = "" if empty(given) else text(given)
    complaint = _complaint(destination, parameters)
    if complaint:
        return call.danger(complaint)
    if _taken(call, destination):
        return call.danger("tls_policy_map_entry_exists", destination)
    call.store.insert(
        "tls_policy_override", dest=destination, parameters=parameters,
        policy=trimmed(call.data.get("policy")).lower(), active=intval(call.data.get("active")),
    )  # fmt: skip
    call.success("tls_policy_map_entry_saved", destination)
    return None


@answers("edit", "tls-policy-map", log=("tls_policy_maps", "edit"))
def edit(call: Call) -> Any:
    """Change policies."""
    for key in call.items:
        row = call.store.row("SELECT * FROM tls_policy_override WHERE id = ?", intval(key))
        if row is None:
            call.danger("access_denied")
            continue
        values = {
            name: row[name] if empty(call.data.get(name)) else text(call.data[name])
            for name in ("dest", "policy")
        }
        given = call.given("parameters")
        parameters = text(call.data["parameters"]) if given else row["parameters"]
        complaint = _complaint(values["dest"], parameters)
        if complaint:
            return call.danger(complaint)
        if _taken(call, values["dest"], row["id"]):
            return call.danger("recipient_map_entry_exists", values["dest"])
        active = intval(call.data["active"]) if call.given("active") else row["active"]
        call.store.update(
            "tls_policy_override", {"id": row["id"]}, parameters=parameters, active=active, **values
        )
        call.success("tls_policy_map_entry_saved", values["dest"])
    return None


@answers("delete", "tls-policy-map", log=("tls_policy_maps", "delete"))
def delete(call: Call) -> Any:
    """Delete policies; one that is missing is a success too."""
    for key in call.items:
        if not numeric(key):
            return False
        call.store.delete("tls_policy_override", id=key)
        call.success("tls_policy_map_entry_deleted", text(key))
    return None


@answers("get", "tls-policy-map")
def get(call: Call) -> Any:
    """Return one or all."""
    columns = "SELECT id, dest, policy, parameters, active, created, modified FROM"
    if call.which == "all":
        return call.store.rows(f"{columns} tls_policy_override ORDER BY id")
    row = call.store.row(f"{columns} tls_policy_override WHERE id = ?", intval(call.which))
    return row and {**row, "0": None}
